import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelState } from '../inference/loaded-versions.ts';
import type { ServedModel } from '../inference/model-loader.ts';

import { DATATYPES } from '../protocol/datatypes.ts';
import { elementCount } from '../protocol/tensor.ts';
import type { LocalSettings } from './local-env.ts';

export const USAGE = `Usage: [SETTING=value ...] npm start

Serves the ONNX models of a folder or S3 bucket through the Open Inference Protocol.

  MODEL_REPOSITORY        folder of models, <model>/<version>/model.onnx,
                          or s3://bucket/prefix                            (model-artifacts)
  MODEL_CONTROL           all: every model is served; explicit: only those
                          that were asked for by the load call             (all)
  PRELOAD_MODELS          models, separated by commas, that are loaded at
                          the start and stay loaded                        (none)
  REPOSITORY_POLL_SECS    seconds between two looks for new versions of
                          the models in use; of a bucket 30                (2)
  MODEL_MEMORY_BYTES      memory for loaded models; then the one unused
                          for longest is unloaded; half of the machine's   (none)
  MODEL_CACHE_BYTES       disk for models from S3; half of what is free    (none)
  HOST                    address to listen on                             (127.0.0.1)
  PORT                    port to listen on, 0 for any free one            (8080)
  SERVER_PROCESSES        processes that share the port: as many as cores
                          where small models answer many requests          (1)
  SERVER_NAME             name in GET /v2                                  (serverless-onnx)
  API_TOKEN               token that requests must carry as
                          'Authorization: Bearer TOKEN', at least 16
                          characters; required when HOST is not loopback   (none)
  LOG_LEVEL               info: a line for each request, too; warn; error  (info)
  MAX_BODY_BYTES          largest request body                             (67108864)
  REQUEST_TIMEOUT_MS      deadline of a request                            (30000)
  LOAD_TIMEOUT_MS         longest time that loading a model may take       (120000)
  MAX_QUEUE_SIZE          requests of one model that may wait              (100)
  DEFAULT_MAX_BATCH_SIZE  most rows of a request to a model that can batch
                          and whose config.pbtxt does not say how many     (4)`;

/** Inputs up to so many elements are written out in the example call. */
const MAX_EXAMPLE_ELEMENTS = 64;

/** For a person at a terminal: what is served, where, and a call to try. */
export function banner(
  url: string,
  settings: LocalSettings,
  states: readonly ModelState[],
  served: readonly ServedModel[],
): string {
  const lines = ['', `Serving ${settings.modelRepository}`, '', `  Open ${url} in a browser to try the models`, ''];
  if (states.length === 0) {
    lines.push(
      settings.modelControl === 'explicit'
        ? '  no model yet: POST /v2/repository/models/{model}/load'
        : '  no model found; expected <model>/<version>/model.onnx in that folder',
    );
  }
  for (const state of states) {
    const reason = state.reason === undefined ? '' : `: ${state.reason}`;
    lines.push(`  ${state.model}${state.version ? ` version ${state.version}` : ''}  ${state.state}${reason}`);
  }
  const [first] = served;
  if (first !== undefined) lines.push('', 'Try it:', '', `  ${exampleCall(url, settings, first)}`);
  lines.push('', `The API is described at ${url}/docs`, '');
  return lines.join('\n');
}

function exampleCall(url: string, settings: LocalSettings, { model, serving }: ServedModel): string {
  const token = settings.apiToken === undefined ? '' : "-H 'Authorization: Bearer '$API_TOKEN ";
  const sample = join(settings.modelRepository, model, 'samples', 'request.json');
  if (existsSync(sample)) return `curl ${token}-d @${sample} ${url}/v2/models/${model}/infer`;
  const shapes = serving.inputs.map(({ shape }) => shape.map((dim) => (dim === -1 ? 1 : dim)));
  if (shapes.some((shape) => elementCount(shape) > MAX_EXAMPLE_ELEMENTS))
    return `curl ${token}${url}/v2/models/${model}`;
  const inputs = serving.inputs.map(({ name, datatype }, i) => {
    const shape = shapes[i] ?? [];
    const zero = { bool: false, bytes: 'text' }[DATATYPES[datatype].kind as string] ?? 0;
    return { name, shape, datatype, data: Array(elementCount(shape)).fill(zero) };
  });
  return `curl ${token}-d '${JSON.stringify({ inputs })}' ${url}/v2/models/${model}/infer`;
}
