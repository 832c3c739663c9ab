import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Call, type Client, EDGES, type Reply } from '../setup/edges.ts';
import { identityInput, infer } from '../setup/requests.ts';

const INFER = '/v2/models/identity_int32/infer';
const tensor = (fields: object): string =>
  JSON.stringify({ inputs: [{ name: 'INPUT0', shape: [1, 2], datatype: 'INT32', data: [1, 2], ...fields }] });
const post = (body: string): Call => ({ body });

/** What is wrong, the call, the status, and what the sentence must tell. */
const BAD_CALLS: [string, string, Call, number, RegExp][] = [
  ['empty body', INFER, post(''), 400, /no body.*expected/],
  ['not JSON', INFER, post('hello'), 400, /malformed JSON at byte 0: got 'hello'.*expected.*an object/],
  ['JSON that ends early', INFER, post('{"inputs":[{"name":"INP'), 400, /malformed JSON.*ends/],
  ['text after the JSON', INFER, post(`${tensor({})}x`), 400, /expected the end/],
  ['a trailing comma', INFER, post('{"inputs":[],}'), 400, /expected a key/],
  ['an array instead of an object', INFER, post('[]'), 400, /the request to be an object/],
  ['no inputs', INFER, post('{}'), 400, /no 'inputs'/],
  ['inputs of the wrong type', INFER, post('{"inputs":{}}'), 400, /'inputs' to be an array/],
  ['an input of the wrong type', INFER, post('{"inputs":[3]}'), 400, /an input to be an object/],
  ['id of the wrong type', INFER, post('{"id":3,"inputs":[]}'), 400, /'id' to be a string/],
  ['a nested parameter', INFER, post('{"parameters":{"a":[]},"inputs":[]}'), 400, /parameter 'a'/],
  ['the same key twice', INFER, post('{"inputs":[],"inputs":[]}'), 400, /'inputs' twice/],
  ['a missing input', INFER, post('{"inputs":[]}'), 400, /expected 1 inputs but got 0.*missing: 'INPUT0'/],
  ['an input twice', INFER, post(tensor({}).replace(/\[(\{.*\})\]/, '[$1,$1]')), 400, /'INPUT0' already exists/],
  ['an unknown input', INFER, post(tensor({ name: 'WRONG' })), 400, /unexpected inference input 'WRONG'.*'INPUT0'/],
  [
    'an unknown output',
    INFER,
    post(tensor({}).replace(/\}$/, ',"outputs":[{"name":"WRONG"}]}')),
    400,
    /unexpected inference output 'WRONG'/,
  ],
  [
    'an output twice',
    INFER,
    post(tensor({}).replace(/\}$/, ',"outputs":[{"name":"OUTPUT0"},{"name":"OUTPUT0"}]}')),
    400,
    /output 'OUTPUT0' already exists/,
  ],
  ['another datatype', INFER, post(tensor({ datatype: 'FP32' })), 400, /data-type is 'FP32'.*expects 'INT32'/],
  ['an unknown datatype', INFER, post(tensor({ datatype: 'INT33' })), 400, /datatype 'INT33' is unknown.*BOOL/],
  ['no data', INFER, post(tensor({ data: undefined })), 400, /no 'data'/],
  ['no shape', INFER, post(tensor({ shape: undefined })), 400, /no 'shape'/],
  ['data of the wrong type', INFER, post(tensor({ data: 'abc' })), 400, /'data' of 'INPUT0' to be an array/],
  [
    'an element of the wrong type',
    INFER,
    post(tensor({ data: [1, 'x'] })),
    400,
    /element 1 of input 'INPUT0' is '"x"'; expected a INT32 integer/,
  ],
  ['null among the elements', INFER, post(tensor({ data: [1, null] })), 400, /element 1.*'null'/],
  ['too few elements', INFER, post(tensor({ data: [1] })), 400, /1 elements.*expects 2/],
  ['too many elements', INFER, post(tensor({ data: [1, 2, 3] })), 400, /more than 2 elements.*expects 2/],
  ['ragged nesting', INFER, post(tensor({ shape: [2, 2], data: [[1, 2], [3]] })), 400, /1 elements/],
  ['nesting of another shape', INFER, post(tensor({ shape: [2, 2], data: [[1, 2, 3, 4]] })), 400, /more than 2/],
  [
    'a shape of another rank',
    INFER,
    post(tensor({ shape: [2] })),
    400,
    /unexpected shape for input 'INPUT0'.*Expected \[-1,-1\], got \[2\]/,
  ],
  ['a negative dimension', INFER, post(tensor({ shape: [-1, 2] })), 400, /dimension -1/],
  ['a fractional dimension', INFER, post(tensor({ shape: [1.5, 2] })), 400, /dimension 1.5/],
  ['a dimension that is text', INFER, post(tensor({ shape: ['1', 2] })), 400, /dimension '1'/],
  ['dimensions that overflow', INFER, post(tensor({ shape: [2 ** 40, 2 ** 40] })), 400, /overflows/],
  ['dimensions that overflow beside a zero', INFER, post(tensor({ shape: [2 ** 40, 2 ** 40, 0] })), 400, /overflows/],
  ['a huge shape with little data', INFER, post(tensor({ shape: [1_000_000, 1_000_000] })), 400, /fewer elements/],
  ['a hundred dimensions', INFER, post(tensor({ shape: Array(100).fill(1) })), 400, /100 dimensions/],
  ['a number above the datatype', INFER, post(tensor({ data: [1, 2 ** 31] })), 400, /element 1.*'2147483648'.*INT32/],
  ['a fraction for an integer', INFER, post(tensor({ data: [1, 2.5] })), 400, /element 1.*'2.5'/],
  [
    'NaN for an integer',
    INFER,
    post(tensor({}).replace('[1,2],', '[1,2],').replace('"data":[1,2]', '"data":[1,NaN]')),
    400,
    /element 1.*'NaN'/,
  ],
  ['a leading zero', INFER, post(tensor({}).replace('"data":[1,2]', '"data":[1,02]')), 400, /element 1.*'02'/],
  ['arrays 200 deep', INFER, post(`{"x":${'['.repeat(200)}${']'.repeat(200)}}`), 400, /deeper than 100/],
  ['parameters 200 deep', INFER, post(`{"parameters":{"a":${'['.repeat(200)}`), 400, /deeper than 100/],
  [
    'a million open brackets',
    INFER,
    post(`{"inputs":${'['.repeat(1_000_000)}`),
    400,
    /an input to be an object|deeper/,
  ],
  ['__proto__ among the keys', INFER, post('{"__proto__":{"inputs":[]},"constructor":1}'), 400, /no 'inputs'/],
  [
    '__proto__ as the name of an input',
    INFER,
    post(tensor({ name: '__proto__' })),
    400,
    /unexpected inference input '__proto__'/,
  ],
  [
    'bytes that are not UTF-8',
    '/v2/models/identity_bytes/infer',
    { body: Buffer.from('{"inputs":[{"name":"\xff"}]}', 'latin1') },
    400,
    /not UTF-8/,
  ],
  ['an unknown model', '/v2/models/nothing/infer', post(tensor({})), 404, /^Request for unknown model: 'nothing'/],
  [
    'an unknown version',
    '/v2/models/identity_int32/versions/7/infer',
    post(tensor({})),
    404,
    /^Request for unknown model: .*version 7/,
  ],
  ['version zero', '/v2/models/identity_int32/versions/0/infer', post(tensor({})), 404, /^Request for unknown model/],
  [
    'a version of 300 digits',
    `/v2/models/identity_int32/versions/${'9'.repeat(300)}`,
    {},
    404,
    /^Request for unknown model/,
  ],
  ['a version that is no number', '/v2/models/identity_int32/versions/one', {}, 404, /Not Found/],
  ['the parent folder', '/v2/models/../infer', post(tensor({})), 404, /./],
  ['the parent folder, encoded', '/v2/models/%2e%2e/infer', post(tensor({})), 404, /./],
  ['a slash, encoded', '/v2/models/..%2f..%2fetc%2fpasswd', {}, 404, /^Request for unknown model/],
  ['NUL in a name', '/v2/models/identity_int32%00/ready', {}, 404, /^Request for unknown model/],
  ['a name of 300 characters', `/v2/models/${'a'.repeat(300)}`, {}, 404, /^Request for unknown model/],
  ['a broken escape in a name', '/v2/models/%ff%zz/ready', {}, 404, /^Request for unknown model/],
  ['__proto__ as a model', '/v2/models/__proto__/ready', {}, 404, /^Request for unknown model/],
  ['a path that is not there', '/v2/nothing', {}, 404, /^Not Found$/],
  ['the wrong method', INFER, { method: 'GET' }, 405, /^Method Not Allowed$/],
  ['another wrong method', '/v2/health/live', { method: 'DELETE' }, 405, /^Method Not Allowed$/],
  [
    'a broken model',
    '/v2/models/corrupt/ready',
    {},
    503,
    /^Request for unknown model: 'corrupt' version 1 is not at ready state: failed to load: ./,
  ],
  ['a broken model asked to infer', '/v2/models/corrupt/infer', post(tensor({})), 503, /not at ready state/],
];

describe.each(EDGES)('bad input through $name', (edge) => {
  let client: Client;

  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository') });
  });
  afterAll(() => client.close());

  test.each(BAD_CALLS)('%s', async (_, path, call, status, sentence) => {
    expectError(await client.call(path, call), status, sentence);
    const next = await infer(client, 'identity_int32', identityInput('INT32', [1, 2], [1, 2]));
    expect(next.status, 'the next request works').toBe(200);
  });

  test('a number that only the datatype makes infinite', async () => {
    for (const [datatype, number] of [
      ['FP16', '65520'],
      ['FP32', '1e39'],
      ['FP64', '1e400'],
    ] as const) {
      const inputs = `[{"name":"INPUT0","shape":[1,1],"datatype":"${datatype}","data":[${number}]}]`;
      expectError(await infer(client, `identity_${datatype.toLowerCase()}`, inputs), 400, /element 0.*expected a FP/);
    }
  });

  test('text with NUL, which ONNX Runtime for Node would cut off there', async () => {
    const reply = await infer(client, 'identity_bytes', identityInput('BYTES', [1, 2], ['fine', 'a\0b']));
    expectError(reply, 400, /element 1 of input 'INPUT0' holds the character NUL/);
  });

  test('integers outside 64 bits', async () => {
    for (const [datatype, number] of [
      ['INT64', '9223372036854775808'],
      ['INT64', '-9223372036854775809'],
      ['UINT64', '18446744073709551616'],
      ['UINT64', '-1'],
      ['UINT64', '99999999999999999999999999'],
    ] as const) {
      const inputs = `[{"name":"INPUT0","shape":[1,1],"datatype":"${datatype}","data":[${number}]}]`;
      expectError(await infer(client, `identity_${datatype.toLowerCase()}`, inputs), 400, /element 0.*integer/);
    }
  });

  test("inputs that only the model can refuse: a 400 without the library's file names", async () => {
    const inputs = [
      { name: 'INPUT0', shape: [1], datatype: 'FP32', data: [1] },
      { name: 'SHAPE', shape: [2], datatype: 'INT64', data: [-5, 3] },
    ];
    expectError(await infer(client, 'expand', inputs), 400, /^the model could not compute these inputs: /);
  });

  test('a broken model leaves the others ready', async () => {
    expect((await client.call('/v2/health/ready')).status).toBe(200);
    const { headers } = await client.call('/v2/models/corrupt/ready');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

function expectError(reply: Reply, status: number, sentence: RegExp): void {
  expect(reply.status, reply.text).toBe(status);
  expect(reply.headers.get('content-type')).toBe('application/json');
  const body = JSON.parse(reply.text);
  expect(Object.keys(body)).toEqual(['error']);
  expect(body.error).toMatch(sentence);
  expect(body.error, 'no stack and no path').not.toMatch(/\n|\bat .+:\d+|node_modules|\.ts\b|\/[\w.-]+\/[\w.-]+\//);
  expect(body.error.length).toBeLessThan(600);
}
