// Made-up requests of the binary tensor data extension: mostly well-formed, with one or two lies in them.

import fc from 'fast-check';

export type FramedRequest = { model: string; headerLength: string; body: Uint8Array };

const datatypes = fc.constantFrom('FP32', 'INT64', 'BOOL', 'BYTES', 'UINT8', 'FP16', 'BF16', 'nonsense', '');
const dims = fc.array(fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(-1, 2 ** 31, 2 ** 53, 1.5, 1e300)), {
  maxLength: 4,
});
const size = fc.oneof(fc.nat({ max: 64 }), fc.constantFrom(-1, 2 ** 31, 2 ** 52, 0.5, '8', true, null));
const dataset = fc.constantFrom<unknown>(
  undefined,
  [],
  [1, 2],
  ['a', 'b'],
  [[1], [2]],
  [true],
  'text',
  { a: 1 },
  null,
  [null],
);

const tensor = fc.record(
  {
    name: fc.constantFrom('INPUT0', 'INPUT1', 'OUTPUT0', '__proto__', ''),
    datatype: datatypes,
    shape: dims,
    parameters: fc.record({ binary_data_size: size }, { requiredKeys: [] }),
    data: dataset,
  },
  { requiredKeys: ['name', 'shape', 'datatype'] },
);

const output = fc.record(
  {
    name: fc.constantFrom('OUTPUT0', 'OUTPUT1', 'WRONG'),
    parameters: fc.record(
      { binary_data: fc.constantFrom(true, false, 1), classification: fc.constantFrom(0, 1, 3, -1, 'x') },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['name'] },
);

/** The bytes of BYTES elements, whose lengths may or may not tile. */
const tiled = fc
  .array(
    fc.tuple(fc.oneof(fc.nat({ max: 8 }), fc.constantFrom(2 ** 31, 2 ** 32 - 1)), fc.uint8Array({ maxLength: 8 })),
    { maxLength: 4 },
  )
  .map((elements) => {
    const parts = elements.flatMap(([length, bytes]) => {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32LE(length);
      return [prefix, Buffer.from(bytes)];
    });
    return new Uint8Array(Buffer.concat(parts));
  });

export const framedRequest: fc.Arbitrary<FramedRequest> = fc
  .record({
    model: fc.constantFrom('identity_fp32', 'identity_int64', 'identity_bytes', 'identity_bool', 'add_sub', 'scalar'),
    request: fc.record(
      {
        id: fc.constantFrom('', 'x', 'y'.repeat(300)),
        inputs: fc.array(tensor, { maxLength: 3 }),
        outputs: fc.array(output, { maxLength: 3 }),
        parameters: fc.record(
          { binary_data_output: fc.boolean(), timeout: fc.constantFrom(0, -1, 1e9) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: ['inputs'] },
    ),
    tail: fc.oneof(fc.uint8Array({ maxLength: 80 }), tiled),
    lie: fc.constantFrom<(length: number) => string>(
      String,
      String,
      String,
      (length) => String(length - 1),
      (length) => String(length + 1),
      () => '0',
      () => '-1',
      () => '999999999',
      () => '99999999999999999999',
      () => '1e3',
      () => ' ',
    ),
    cut: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 200 }) }),
  })
  .map(({ model, request, tail, lie, cut }) => {
    const json = Buffer.from(JSON.stringify(request));
    const whole = Buffer.concat([json, tail]);
    return { model, headerLength: lie(json.length), body: new Uint8Array(whole.subarray(0, whole.length - cut)) };
  });
