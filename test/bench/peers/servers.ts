// What is compared: the local server in its lanes, and other servers of the same model, each in its own documented best form.

import { join } from 'node:path';
import { CORES } from '../cores.ts';
import { DIGITS_FILE, digitsRequests, type Format, pixels } from '../digits.ts';
import { addDigits } from '../digits-copy.ts';
import type { Request } from '../load.ts';
import { benchPrograms, mlserverPrograms } from './venv.ts';

export type Peer = {
  readonly name: string;
  /** 'PORT' stands for the port. */
  readonly command: readonly string[];
  readonly environment: (port: number) => { [name: string]: string };
  /** Undefined where it has no such request. */
  readonly requests: { readonly [format in Format]?: Request };
  /** The local server, which says in /metrics what it has done. */
  readonly isOurs: boolean;
  /** Also asked at 80 % of its throughput. */
  readonly isPaced: boolean;
};

export const OURS = 'serverless-onnx, inline';

const ROOT = join(import.meta.dirname, '../../..');
const PEERS = import.meta.dirname;

export function peersIn(scratch: string): Peer[] {
  const python = join(benchPrograms(), 'python');
  const isolated = join(scratch, 'isolated');
  addDigits(isolated, 'digits', { isolatedBy: python });
  const requests = digitsRequests();
  const { JSON: json } = requests;
  const raw = { body: pixels, headers: { 'content-type': 'application/octet-stream' } };
  const ours = (name: string, repository: string, environment: { [name: string]: string } = {}): Peer => ({
    name,
    command: [process.execPath, join(ROOT, 'functions/serve/local.ts')],
    // More callers come at once than a queue takes by default; the others log no requests either.
    environment: (port) => ({
      MODEL_REPOSITORY: repository,
      PORT: String(port),
      MAX_QUEUE_SIZE: '1000',
      LOG_LEVEL: 'warn',
      ...environment,
    }),
    requests,
    isOurs: true,
    isPaced: true,
  });
  const bare = (name: string, processes: number): Peer => ({
    name,
    command: [process.execPath, join(PEERS, 'bare-node.mjs'), DIGITS_FILE, 'PORT', String(processes)],
    environment: () => ({}),
    requests,
    isOurs: false,
    isPaced: true,
  });
  const other = (
    name: string,
    command: readonly string[],
    environment: { [name: string]: string },
    formats: Peer['requests'],
  ): Peer => ({
    name,
    command,
    environment: () => ({ MODEL_FILE: DIGITS_FILE, PROCESSES: String(CORES), ...environment }),
    requests: formats,
    isOurs: false,
    isPaced: false,
  });
  const fastapi = (name: string, module: string, formats: Peer['requests'], processes = CORES): Peer =>
    other(
      name,
      [python, '-m', 'uvicorn', `${module}:app`]
        .concat(['--app-dir', PEERS, '--port', 'PORT', '--workers', String(processes)])
        .concat(['--no-access-log', '--log-level', 'warning', '--loop', 'uvloop', '--http', 'httptools']),
      {},
      formats,
    );
  const mosec = [python, join(PEERS, 'mosec_server.py'), '--port', 'PORT', '--address', '127.0.0.1'];
  return [
    ours(OURS, join(ROOT, 'model-artifacts')),
    ours(`serverless-onnx, inline, ${CORES} processes`, join(ROOT, 'model-artifacts'), {
      SERVER_PROCESSES: String(CORES),
    }),
    ours('serverless-onnx, isolated', isolated),
    bare('bare node:http', 1),
    bare(`bare node:http, ${CORES} processes`, CORES),
    fastapi('FastAPI, tuned', 'fastapi_tuned', requests),
    fastapi('FastAPI, tuned, 1 process', 'fastapi_tuned', requests, 1),
    fastapi('FastAPI, naive', 'fastapi_naive', { JSON: json }),
    other('mosec', [...mosec, '--log-level', 'error'], {}, { JSON: json, binary: raw }),
    other('LitServe', [python, join(PEERS, 'litserve_server.py'), 'PORT'], {}, { JSON: json }),
    { ...other('MLServer', [join(mlserverPrograms(), 'mlserver'), 'start', scratch], {}, { JSON: json }), environment },
  ];
}

/** MLServer's settings; its models' too where there is one model. Its other two ports are any free ones. */
function environment(port: number): { [name: string]: string } {
  return {
    PYTHONPATH: PEERS,
    MLSERVER_HOST: '127.0.0.1',
    MLSERVER_HTTP_PORT: String(port),
    MLSERVER_GRPC_PORT: '0',
    MLSERVER_METRICS_PORT: '0',
    MLSERVER_DEBUG: 'false',
    MLSERVER_PARALLEL_WORKERS: String(CORES),
    MLSERVER_MODEL_NAME: 'digits',
    MLSERVER_MODEL_IMPLEMENTATION: 'mlserver_runtime.Digits',
    MLSERVER_MODEL_URI: DIGITS_FILE,
  };
}
