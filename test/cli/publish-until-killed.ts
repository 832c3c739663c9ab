// Publishes a version, and kills itself before the step whose number it is given: no clean-up, as with kill -9.
//
//   node publish-until-killed.ts REPOSITORY MODEL STEP

import fs from 'node:fs/promises';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

const [location = '', model = '', last = ''] = process.argv.slice(2);
let steps = 0;

function step(): void {
  if (++steps === Number(last)) process.kill(process.pid, 'SIGKILL');
}

/** Every call that changes a file system, and every request to S3, is a step. */
for (const name of ['open', 'link', 'rename', 'mkdir', 'rm'] as const) {
  const original = fs[name] as (...given: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...given: unknown[]) => {
      step();
      return original(...given);
    },
  });
}
const { request } = http;
http.request = ((...given: Parameters<typeof request>) => {
  step();
  return request(...given);
}) as typeof request;
syncBuiltinESMExports();

const { repositoryAt, publisherOf } = await import('../../functions/cli/models/repository.ts');
const { textContent } = await import('../../functions/adapters/content.ts');

steps = 0;
const content = textContent(`a model of ${process.pid}`);
await publisherOf(await repositoryAt(location), { by: 'a test' }).publish(model, {
  modelFile: 'model.onnx',
  files: new Map([
    ['metrics.json', textContent('{}')],
    ['model.onnx', content],
  ]),
  modelFiles: new Map([['config.pbtxt', textContent('max_batch_size: 0')]]),
});
console.log(steps);
