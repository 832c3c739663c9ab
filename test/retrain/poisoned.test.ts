// Uploads that must not be trained on: each is refused for its own reason, before anything is spent.

import { createHash } from 'node:crypto';
import jpeg from 'jpeg-js';
import { describe, expect, test } from 'vitest';
import { REJECTION_CODES } from '../../functions/retrain/rejection.ts';
import { picture, pictures, TRAINING, type World } from '../setup/retraining.ts';
import { worldsOnAws } from '../setup/worlds-on-aws.ts';

const kinds = worldsOnAws();

type Files = Map<string, string | Uint8Array>;
const CLASSES = ['cat', 'dog'];
/** What is good to train on, so that only what is added to it can be the reason. */
const good = (): Files => pictures(CLASSES, 10);
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const manifestOf = (files: Files, change: Record<string, string> = {}): string =>
  JSON.stringify({
    files: [...files].map(([path, content]) => ({ path, sha256: change[path] ?? sha256(content) })),
  });
const training = (limits: object): string => JSON.stringify({ ...TRAINING, limits: { ...TRAINING.limits, ...limits } });
const with_ = (path: string, content: string | Uint8Array) => (files: Files) => void files.set(path, content);

/** A PNG whose header promises a million by a million pixels. */
function bomb(): Uint8Array {
  const bytes = Buffer.from(picture(1));
  bytes.writeUInt32BE(1e6, 16);
  bytes.writeUInt32BE(1e6, 20);
  return bytes;
}

type Poisoned = {
  readonly code: (typeof REJECTION_CODES)[number];
  readonly what: string;
  poison(files: Files): void;
  /** Undefined: no training.json. */
  readonly training?: string | undefined;
  /** What the text of the rejection has to name. */
  readonly says: string;
  /** The model's held-out set. */
  readonly heldOut?: Files;
};

const FIXTURES: readonly Poisoned[] = [
  {
    code: 'no-training-json',
    what: 'a model that is not trained',
    poison: () => {},
    training: '',
    says: 'training.json',
  },
  {
    code: 'no-training-json',
    what: 'limits that are none',
    poison: () => {},
    training: '{"dailyJobs": 0}',
    says: 'dailyJobs is 0; expected a whole number from 1 to 1000',
  },
  {
    code: 'bad-manifest',
    what: 'a manifest that is no JSON',
    poison: with_('manifest.json', '{'),
    says: 'no JSON object',
  },
  {
    code: 'bad-manifest',
    what: 'a manifest without files',
    poison: with_('manifest.json', '{"files": []}'),
    says: 'no list of files',
  },
  {
    code: 'bad-manifest',
    what: 'a manifest without hashes',
    poison: with_('manifest.json', '{"files": [{"path": "cat/0.png"}]}'),
    says: 'files[0].sha256 is missing',
  },
  {
    code: 'missing-file',
    what: 'a manifest of files that did not come',
    poison: (files) => {
      files.set('manifest.json', manifestOf(files));
      files.delete('dog/3.png');
    },
    says: 'dog/3.png',
  },
  {
    code: 'hash-mismatch',
    what: 'a file that is not the one of the manifest',
    poison: (files) => void files.set('manifest.json', manifestOf(files, { 'dog/3.png': '0'.repeat(64) })),
    says: 'dog/3.png',
  },
  { code: 'bad-path', what: 'a file beside the classes', poison: with_('cat.png', picture(99)), says: 'cat.png' },
  {
    code: 'bad-path',
    what: 'a folder in a class',
    poison: with_('cat/more/1.png', picture(99)),
    says: 'cat/more/1.png',
  },
  {
    code: 'bad-path',
    what: 'a name with a line break',
    poison: with_('cat/1\n2.png', picture(99)),
    says: 'cat/1?2.png',
  },
  { code: 'wrong-format', what: 'a text', poison: with_('cat/notes.txt', 'a note'), says: 'cat/notes.txt' },
  {
    code: 'wrong-format',
    what: 'a GIF that is called PNG',
    poison: with_('cat/1.png', 'GIF89a and so on'),
    says: 'cat/1.png',
  },
  { code: 'wrong-format', what: 'an empty file', poison: with_('cat/1.png', ''), says: 'cat/1.png' },
  {
    code: 'too-many-files',
    what: 'more files than allowed',
    poison: () => {},
    training: training({ maxFiles: 19 }),
    says: 'there are 20 files; expected at most 19',
  },
  {
    code: 'too-large-file',
    what: 'a file of a kilobyte too much',
    poison: with_('cat/1.png', new Uint8Array(2_049)),
    training: training({ maxFileBytes: 2_048 }),
    says: 'cat/1.png',
  },
  {
    code: 'too-large-dataset',
    what: 'too many bytes',
    poison: () => {},
    training: training({ maxBytes: 1_000 }),
    says: 'expected at most 1000',
  },
  {
    code: 'too-few-classes',
    what: 'one class, for a model without labels',
    poison: (files) => {
      for (const path of [...files.keys()]) if (path.startsWith('dog/')) files.delete(path);
      files.set('.no-labels', '');
    },
    says: 'there are 1 classes; expected at least 2',
  },
  {
    code: 'unknown-class',
    what: 'a class that the model does not know',
    poison: with_('cow/1.png', picture(99)),
    says: 'cow',
  },
  {
    code: 'missing-class',
    what: 'no picture of a class',
    poison: (files) => {
      for (const path of [...files.keys()]) if (path.startsWith('dog/')) files.delete(path);
    },
    says: 'dog',
  },
  {
    code: 'too-few-images',
    what: 'four pictures of a class',
    poison: (files) => {
      for (let i = 4; i < 10; i++) files.delete(`dog/${i}.png`);
    },
    says: '4 of dog; expected at least 5',
  },
  {
    code: 'too-few-images',
    what: 'too few when the held-out set is taken out',
    poison: (files) => {
      for (let i = 5; i < 10; i++) files.delete(`dog/${i}.png`);
    },
    says: '4 of dog; expected at least 5',
  },
  {
    code: 'unreadable-file',
    what: 'half a PNG',
    poison: with_('cat/1.png', picture(1).subarray(0, 45)),
    says: 'cat/1.png',
  },
  {
    code: 'unreadable-file',
    what: 'half a JPEG',
    poison: with_(
      'cat/1.jpg',
      jpeg.encode({ width: 16, height: 16, data: new Uint8Array(1024).fill(90) }, 90).data.subarray(0, 200),
    ),
    says: 'cat/1.jpg',
  },
  {
    code: 'image-size',
    what: 'a picture of 2 x 2 pixels',
    poison: with_('cat/1.png', picture(99, 2)),
    says: 'cat/1.png',
  },
  {
    code: 'image-size',
    what: 'a million by a million',
    poison: with_('cat/1.png', bomb()),
    says: 'expected at most 50e6',
  },
  {
    code: 'conflicting-labels',
    what: 'one picture in two classes',
    poison: (files) => void files.set('dog/99.png', files.get('cat/1.png') as Uint8Array),
    says: 'cat/1.png = dog/99.png',
  },
  {
    code: 'duplicates',
    what: 'a class of copies',
    poison: (files) => {
      for (let i = 20; i < 26; i++) files.set(`dog/${i}.png`, files.get('dog/1.png') as Uint8Array);
    },
    says: '6 of 26 files',
  },
  {
    code: 'held-out-overlap',
    what: 'the held-out set itself',
    poison: () => {},
    says: '16 of 20 pictures',
    heldOut: new Map([...good()].filter((_, i) => i % 10 < 8)),
  },
];

async function* filesOf(files: Files): AsyncIterable<{ path: string; bytes: Uint8Array }> {
  for (const [path, content] of files) yield { path, bytes: Buffer.from(content) };
}

async function upload(world: World, { poison, training = JSON.stringify(TRAINING), heldOut }: Poisoned): Promise<void> {
  const files = good();
  poison(files);
  await world.putModel('m/1/model.onnx', 'a model');
  if (training !== '') await world.putModel('m/training.json', training);
  if (!files.delete('.no-labels')) await world.putModel('m/labels.txt', `${CLASSES.join('\n')}\n`);
  if (heldOut !== undefined) await world.outside.heldOut.create('m', filesOf(heldOut));
  await world.putAll('m', files);
}

test('there is a fixture for each code', () => {
  const codes = new Set(FIXTURES.map(({ code }) => code));
  // The budget has its own tests.
  expect([...codes, 'budget-exhausted'].sort()).toEqual([...REJECTION_CODES].sort());
});

describe.each(kinds)('in $name', ({ open }) => {
  test.each(FIXTURES)('$what: $code', async (fixture) => {
    const world = await open();
    await upload(world, fixture);
    const considered = await world.loop.gatekeeper.consider('m');
    expect(considered).toMatchObject({ outcome: 'rejected', code: fixture.code });
    // Every further look, and a look after the weekend, finds that there is nothing new.
    world.clock.pass(3 * 86_400);
    for (let looks = 0; looks < 3; looks++) {
      expect(await world.loop.gatekeeper.consider('m')).toMatchObject({ outcome: 'same-content', state: 'rejected' });
    }
    await world.loop.reconciler.reconcile();
    const entries = await world.loop.ledger.entries('m');
    expect(entries.map(({ state, reason }) => [state, reason?.code])).toEqual([['rejected', fixture.code]]);
    expect(entries[0]?.reason?.text).toContain(fixture.says);
    expect(world.notifier.sent).toHaveLength(1);
    expect(world.notifier.sent[0]).toMatchObject({
      subject: `m: rejected (${fixture.code})`,
      text: expect.stringContaining(fixture.says),
      fields: { model: 'm', state: 'rejected', code: fixture.code },
    });
    expect(world.starter.calls).toBe(0);
    expect(await world.outside.budget.files('m')).toEqual(new Map());
    expect(await world.outside.snapshots.files('m')).toEqual(new Map());
    expect(await world.heldOut('m')).toHaveLength(fixture.heldOut?.size ?? 0);
  });

  test('the same data without what was wrong is taken', async () => {
    const world = await open();
    await upload(world, { code: 'bad-path', what: '', poison: with_('cat.png', picture(99)), says: '' });
    await world.loop.gatekeeper.consider('m');
    await world.remove('m/cat.png');
    expect(await world.loop.gatekeeper.consider('m')).toMatchObject({ outcome: 'accepted', state: 'running' });
  });

  test('what was refused by a limit is looked at again when the limit is another one', async () => {
    const world = await open();
    const nothing = { code: 'too-few-images', what: '', poison: () => {}, says: '' } as const;
    await upload(world, { ...nothing, training: training({ minImagesPerClass: 9 }) });
    const refused = await world.loop.gatekeeper.consider('m');
    // Eight of ten are left beside the held-out set.
    expect(refused).toMatchObject({ outcome: 'rejected', code: 'too-few-images' });
    await world.putModel('m/training.json', training({ minImagesPerClass: 8 }));
    const { id } = refused as { id: string };
    expect(await world.loop.gatekeeper.consider('m')).toMatchObject({ outcome: 'accepted', state: 'running', id });
    const states = (await world.loop.ledger.entry('m', id))?.history.map(({ state }) => state);
    expect(states).toEqual(['rejected', 'accepted', 'running']);
  });
});
