// The request that was sent, as other programs would send it: what is copied runs.

import { tensorToBytes } from '../protocol/binary-tensor.ts';
import { DATATYPES } from '../protocol/datatypes.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { textOf } from './values.ts';
import { type Asked, encodeRequest } from './wire.ts';

export type Call = {
  /** Of this page, like `http://127.0.0.1:8080`. */
  readonly origin: string;
  readonly model: string;
  readonly version: string | undefined;
  readonly asked: Asked;
  /** The server asks for its API_TOKEN. */
  readonly token: boolean;
};

/** Up to so many elements are written out; more are bytes in base64. */
const MAX_WRITTEN = 64;

const pathOf = ({ model, version }: Call): string =>
  `/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/infer`;

const isShort = ({ inputs }: Asked): boolean => inputs.every(({ data }) => data.length <= MAX_WRITTEN);

export function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** JSON of the elements; integers of 64 bits keep all their digits. */
function jsonData(tensor: Tensor): string {
  return tensor.datatype === 'BYTES' ? JSON.stringify(tensor.data) : `[${textOf(tensor)}]`;
}

export function curl(call: Call): string {
  const { origin, asked, token } = call;
  const header = token ? ` -H "Authorization: Bearer $API_TOKEN"` : '';
  const url = `${origin}${pathOf(call)}`;
  if (isShort(asked)) {
    const inputs = asked.inputs.map(
      (tensor) =>
        `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}",` +
        `"shape":[${tensor.shape}],"data":${jsonData(tensor)}}`,
    );
    const outputs = asked.outputs === undefined ? '' : `,"outputs":${JSON.stringify(asked.outputs)}`;
    const body = `{"inputs":[${inputs.join(',')}]${outputs}}`.replaceAll("'", "'\\''");
    return `curl${header} ${url} \\\n  -d '${body}'\n`;
  }
  // Binary out, text back: what a terminal can show.
  const { headerLength, body } = encodeRequest(asked);
  const json = new TextDecoder()
    .decode(body.subarray(0, headerLength))
    .replace('"binary_data_output":true', '"binary_data_output":false');
  const head = new TextEncoder().encode(json);
  const bytes = new Uint8Array(head.length + body.length - headerLength);
  bytes.set(head);
  bytes.set(body.subarray(headerLength), head.length);
  return (
    `base64 -d <<'END' | curl${header} ${url} \\\n` +
    `  -H 'Inference-Header-Content-Length: ${head.length}' --data-binary @-\n${wrapped(base64(bytes))}\nEND\n`
  );
}

const NUMPY: { readonly [datatype: string]: string } = {
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BOOL: 'bool_',
};

const numpy = (datatype: string): string => NUMPY[datatype] ?? datatype.toLowerCase();

export function python(call: Call): string {
  const { origin, model, version, asked, token } = call;
  const isSecure = origin.startsWith('https:');
  const lines: string[] = [];
  const inputs = asked.inputs.map((tensor, i) => {
    const { name, datatype, shape, data } = tensor;
    const array = datatype === 'BYTES' || data.length <= MAX_WRITTEN ? written(tensor) : encoded(tensor);
    lines.push(
      `array${i} = ${array}.reshape(${JSON.stringify(shape)})`,
      `input${i} = triton.InferInput(${JSON.stringify(name)}, ${JSON.stringify(shape)}, "${datatype}")`,
      `input${i}.set_data_from_numpy(array${i})`,
    );
    return `input${i}`;
  });
  const outputs = (asked.outputs ?? []).map(
    ({ name, parameters }) =>
      `triton.InferRequestedOutput(${JSON.stringify(name)}, class_count=${parameters.classification ?? 0})`,
  );
  const usesBytes = lines.some((line) => line.includes('base64.'));
  const options = [
    `[${inputs.join(', ')}]`,
    ...(outputs.length > 0 ? [`outputs=[${outputs.join(', ')}]`] : []),
    ...(version === undefined ? [] : [`model_version="${version}"`]),
    ...(token ? ['headers={"Authorization": "Bearer " + os.environ["API_TOKEN"]}'] : []),
  ];
  const host = origin.replace(/^https?:\/\//, '');
  return [
    '# pip install "tritonclient[http]"',
    ...(usesBytes ? ['import base64'] : []),
    ...(token ? ['import os'] : []),
    ...(usesBytes || token ? [''] : []),
    'import numpy as np',
    'import tritonclient.http as triton',
    '',
    `client = triton.InferenceServerClient("${host}"${isSecure ? ', ssl=True' : ''})`,
    ...lines,
    `answer = client.infer("${model}", ${options.join(', ')})`,
    'for output in answer.get_response()["outputs"]:',
    '    print(output["name"], answer.as_numpy(output["name"]))',
    '',
  ].join('\n');
}

/** A number as Python has it. */
function written({ datatype, data }: Tensor): string {
  if (datatype === 'BYTES') return `np.array(${JSON.stringify(data)}, dtype=object)`;
  const { kind } = DATATYPES[datatype];
  const names: { [text: string]: string } = { NaN: 'np.nan', Infinity: 'np.inf', '-Infinity': '-np.inf' };
  const elements = Array.from(data as ArrayLike<unknown>, (value) => {
    if (kind === 'bool') return value === 1 ? 'True' : 'False';
    return names[String(value)] ?? String(value);
  });
  return `np.array([${elements.join(', ')}], dtype=np.${numpy(datatype)})`;
}

function encoded(tensor: Tensor): string {
  const text = base64(tensorToBytes(tensor));
  return `np.frombuffer(base64.b64decode("""\n${wrapped(text)}\n"""), dtype=np.${numpy(tensor.datatype)})`;
}

const TYPESCRIPT_TOKEN = `\n    Authorization: 'Bearer ' + process.env.API_TOKEN,`;

export function typescript(call: Call): string {
  const { origin, asked, token } = call;
  const { headerLength, body } = encodeRequest(asked);
  const json = new TextDecoder().decode(body.subarray(0, headerLength)).trimEnd();
  return `// Node 20 or newer, Deno, Bun or a browser; no library.
const json = ${JSON.stringify(JSON.parse(json), null, 2)};
const tensors = ${asked.inputs.length === 0 ? "''" : `\`\n${wrapped(base64(body.subarray(headerLength)))}\``};
const header = new TextEncoder().encode(JSON.stringify(json));
const bytes = Uint8Array.from(atob(tensors.replace(/\\s/g, '')), (char) => char.charCodeAt(0));
const response = await fetch('${origin}${pathOf(call)}', {
  method: 'POST',
  headers: {
    'Inference-Header-Content-Length': String(header.length),${token ? TYPESCRIPT_TOKEN : ''}
  },
  body: new Blob([header, bytes]),
});
const answer = new Uint8Array(await response.arrayBuffer());
const length = Number(response.headers.get('Inference-Header-Content-Length') ?? answer.length);
const { outputs, error } = JSON.parse(new TextDecoder().decode(answer.subarray(0, length)));
if (error) throw new Error(error);
let at = length;
for (const { name, datatype, shape, parameters } of outputs) {
  const data = answer.slice(at, (at += parameters.binary_data_size));
  // BYTES: each element a 32-bit length and its text.
  const shown = { FP32: () => new Float32Array(data.buffer), BYTES: () => new TextDecoder().decode(data) }[datatype as string];
  console.log(name, datatype, shape, shown ? shown() : data);
}
`;
}

function wrapped(text: string): string {
  return text.replace(/.{1,100}/g, (line, at: number) => (at === 0 ? line : `\n${line}`));
}
