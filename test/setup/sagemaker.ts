// A SageMaker training job on this machine: the real toolkits of AWS's PyTorch container, in a folder for each host.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureVenv } from '../../functions/cli/venv.ts';

const PROGRAM = join(import.meta.dirname, '../../functions/train');
/** The root of everything in a container; here a folder of each host stands for it. */
const ROOT = '/opt/ml';
/** As infra/constructs/training-request.ts has them. */
const TOOLKIT = {
  sagemaker_program: 'train.py',
  sagemaker_submit_directory: `${ROOT}/input/data/code`,
  sagemaker_torch_distributed_enabled: 'true',
};

export type JobRequest = {
  /** The folder that becomes the channel `training`. */
  readonly data: string;
  /** The folder that becomes the channel `code`. Default: the program of this project. */
  readonly code?: string;
  /** Texts, as the API takes them; those of the toolkit may be left out. */
  readonly hyperParameters?: { readonly [name: string]: string };
  /** Loopback addresses; their order is that of the ranks. */
  readonly hosts?: readonly string[];
  /** Kept from an earlier job, as S3 would. */
  readonly checkpoints?: string;
  readonly variables?: { readonly [name: string]: string };
};

export type Host = {
  /** What is `/opt/ml` in a container. */
  readonly folder: string;
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string; readonly failure: string }>;
};

/** Starts a job's hosts, each as the container's entry point would be. */
export async function startTrainingJob(request: JobRequest): Promise<Host[]> {
  const python = await ensureVenv();
  const { hosts = ['127.0.0.1'] } = request;
  const job = mkdtempSync(join(tmpdir(), 'serverless-onnx-job-'));
  return hosts.map((host) => {
    const folder = join(job, host);
    layOut(folder, host, hosts, request);
    const process_ = spawn(join(dirname(python), 'train'), {
      env: {
        PATH: `${dirname(python)}:${process.env.PATH}`,
        HOME: job,
        TMPDIR: tmpdir(),
        SAGEMAKER_BASE_DIR: folder,
        // What AWS's image sets.
        SAGEMAKER_TRAINING_MODULE: 'sagemaker_pytorch_container.training:main',
        OMP_NUM_THREADS: '1',
        PYTHONDONTWRITEBYTECODE: '1',
        ...request.variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [process_.stdout, process_.stderr]) {
      stream?.on('data', (chunk: Buffer) => (output += chunk));
    }
    const ended = new Promise<number | null>((resolve) => process_.on('close', resolve)).then((code) => {
      const failure = join(folder, 'output/failure');
      return { code, output, failure: existsSync(failure) ? readFileSync(failure, 'utf8') : '' };
    });
    return { folder, process: process_, ended };
  });
}

/** Ends a host as a container ends whose machine is taken away: all of its processes at once. */
export function killHost({ process: { pid } }: Host): void {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const parents = new Map(lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
  const isInside = (of: number | undefined): boolean => of !== undefined && (of === pid || isInside(parents.get(of)));
  for (const found of [...parents.keys()].filter(isInside)) process.kill(found, 'SIGKILL');
}

/** The tree that SageMaker makes: the configuration, a channel with the data and one with the program. */
function layOut(
  folder: string,
  host: string,
  hosts: readonly string[],
  { data, code, hyperParameters = {}, checkpoints }: JobRequest,
): void {
  const codeFolder = join(folder, 'input/data/code');
  for (const name of ['input/config', 'input/data/code', 'model', 'output/data']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  if (code !== undefined) cpSync(code, codeFolder, { recursive: true });
  else copyProgram(codeFolder);
  cpSync(data, join(folder, 'input/data/training'), { recursive: true });
  if (checkpoints !== undefined) cpSync(checkpoints, join(folder, 'checkpoints'), { recursive: true });
  const config = (name: string, content: object): void =>
    writeFileSync(join(folder, 'input/config', name), JSON.stringify(content));
  const given = Object.entries({ ...TOOLKIT, ...hyperParameters });
  config('hyperparameters.json', Object.fromEntries(given.map(([name, value]) => [name, inFolder(value, folder)])));
  config('resourceconfig.json', {
    current_host: host,
    hosts,
    network_interface_name: 'lo',
    current_instance_type: 'ml.m5.xlarge',
    current_group_name: 'homogeneousCluster',
    instance_groups: [{ instance_group_name: 'homogeneousCluster', instance_type: 'ml.m5.xlarge', hosts }],
  });
  const channel = { TrainingInputMode: 'File', S3DistributionType: 'FullyReplicated', RecordWrapperType: 'None' };
  config('inputdataconfig.json', { training: channel, code: channel });
}

function copyProgram(to: string): void {
  for (const name of readdirSync(PROGRAM)) if (name.endsWith('.py')) cpSync(join(PROGRAM, name), join(to, name));
}

/** A path of a container as the one that stands for it. */
function inFolder(value: string, folder: string): string {
  return value.startsWith(`${ROOT}/`) ? join(folder, value.slice(ROOT.length)) : value;
}
