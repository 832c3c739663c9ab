// The project, deployed: its own stacks by the unmodified CDK CLI, on a local AWS that runs the function in Docker.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';
import { builtBaseImage } from './base-image.ts';
import { bridgeAddress, type Docker, startDocker } from './docker.ts';

const ROOT = join(import.meta.dirname, '../..');
const CDK = join(ROOT, 'node_modules/aws-cdk/bin/cdk');

export class LocalDeployment {
  readonly docker: Docker;
  readonly aws: LocalAws;
  readonly #folder: string;
  /** The tags of the images that functions run. */
  #images: readonly string[] = [];

  /** Starts what is to be deployed to: a Docker Engine and an AWS without anything in it. */
  static async start(): Promise<LocalDeployment> {
    const docker = await startDocker();
    try {
      const baseImage = builtBaseImage(docker);
      return new LocalDeployment(docker, await startLocalAws(bridgeAddress(docker), docker.env), baseImage);
    } catch (error) {
      await docker.stop();
      throw error;
    }
  }

  private constructor(docker: Docker, aws: LocalAws, baseImage: string) {
    this.docker = docker;
    this.aws = aws;
    this.#folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-e2e-'));
    // The one thing that is not as on AWS, as a user may set it: cdk.json in the home folder is read with the project's.
    const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
    const context = { 'serverless-onnx': { baseImage, architecture } };
    writeFileSync(join(this.#folder, '.cdk.json'), JSON.stringify({ context }));
  }

  /** Makes the project's templates and assets, for the commands that follow. */
  synth(): void {
    this.#cdk('synth', '--quiet', '--context', 'trainer=callback', '--output', this.#output);
  }

  /** Runs a command of the CDK CLI on what was made. @returns what it wrote */
  cdk(...args: readonly string[]): string {
    return this.#cdk(...args, '--app', this.#output);
  }

  #cdk(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CDK, ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      // The CLI remembers accounts in the home folder: those of an emulator may not meet those of AWS.
      env: { ...process.env, ...this.aws.env, ...this.docker.env, HOME: this.#folder },
    });
    if (status !== 0) throw new Error(`cdk ${args.join(' ')} ended with code ${status}: ${stdout}${stderr}`);
    return stdout + stderr;
  }

  get #output(): string {
    return join(this.#folder, 'cdk.out');
  }

  /** Builds the images of the stacks, as the CLI would: it takes them for published, as the emulator's ECR has all. */
  buildImages(): void {
    const manifests = readdirSync(this.#output).filter((file) => file.endsWith('.assets.json'));
    this.#images = manifests.flatMap((file) => {
      const { dockerImages } = JSON.parse(readFileSync(join(this.#output, file), 'utf8')) as AssetManifest;
      return Object.values(dockerImages).map(({ source, destinations }) => {
        const [{ repositoryName, imageTag }] = Object.values(destinations) as [Destination];
        const name = repositoryName.replace(/\$\{AWS::AccountId\}/g, ACCOUNT).replace(/\$\{AWS::Region\}/g, REGION);
        const tag = `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/${name}:${imageTag}`;
        const args = Object.entries(source.dockerBuildArgs ?? {}).flatMap(([name, value]) => [
          '--build-arg',
          `${name}=${value}`,
        ]);
        this.docker.run(
          'build',
          '--platform',
          source.platform,
          ...args,
          '--tag',
          tag,
          join(this.#output, source.directory),
        );
        return tag;
      });
    });
  }

  /** @returns the outputs of all stacks */
  deploy(): { [output: string]: string } {
    const outputs = join(this.#folder, 'outputs.json');
    this.cdk('deploy', '--all', '--require-approval', 'never', '--outputs-file', outputs);
    return Object.assign({}, ...Object.values(JSON.parse(readFileSync(outputs, 'utf8'))));
  }

  /** Where the emulator answers for an API, whose URL on AWS the CLI has printed. */
  urlOf(apiUrl: string): URL {
    const { hostname, pathname } = new URL(apiUrl);
    return new URL(`/restapis/${hostname.split('.')[0]}${pathname}/_user_request_/`, this.aws.endpoint);
  }

  /** The ids of the containers that run functions: what Lambda calls execution environments. */
  containers(): string[] {
    const ofTheStacks = this.#images.flatMap((tag) => ['--filter', `ancestor=${tag}`]);
    return this.docker
      .run('ps', '--quiet', '--no-trunc', ...ofTheStacks)
      .split('\n')
      .filter(Boolean);
  }

  /** The digests of the images that functions run. */
  imagesInUse(): string[] {
    return this.containers().map((id) => this.docker.run('inspect', '--format', '{{.Image}}', id).trim());
  }

  async stop(): Promise<void> {
    await this.aws.stop();
    // What they are built on stays, for the next time.
    if (this.#images.length > 0) this.docker.run('rmi', '--force', ...this.#images);
    await this.docker.stop();
    rmSync(this.#folder, { recursive: true });
  }
}

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';

type Destination = { repositoryName: string; imageTag: string };
type AssetManifest = {
  dockerImages: {
    [hash: string]: {
      source: { directory: string; platform: string; dockerBuildArgs?: { [name: string]: string } };
      destinations: { [id: string]: Destination };
    };
  };
};
