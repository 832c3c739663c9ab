import { expect, test } from 'vitest';
import type { Considered } from '../../functions/retrain/gatekeeper.ts';
import { answerUploads, uploadOf } from '../../functions/retrain/uploads.ts';

const body = (key: unknown): string => JSON.stringify({ detail: { object: { key } } });

test.each([
  ['datasets/m/cat/1.png', 'm', 'cat/1.png'],
  ['datasets/a.b-c/manifest.json', 'a.b-c', 'manifest.json'],
  ['datasets/m/cat/a+b%20c.png', 'm', 'cat/a b c.png'],
  ['datasets%2Fm%2Fcat%2F1.png', 'm', 'cat/1.png'],
  ['datasets/m/cat/100%.png', 'm', 'cat/100%.png'],
])('%s is an upload of %s', (key, model, path) => {
  const upload = uploadOf(body(key));
  expect(upload?.model).toBe(model);
  expect(upload?.paths).toContain(path);
});

test('a key that was not encoded is known by what it is', () => {
  expect(uploadOf(body('datasets/m/cat/a+b.png'))?.paths).toContain('cat/a+b.png');
});

test.each([
  ['other/m/cat/1.png'],
  ['datasets/m'],
  ['datasets/m/'],
  ['datasets/../m/1.png'],
  ['datasets/%2e%2e/m/1.png'],
  ['datasets/.m/cat/1.png'],
  ['datasets//cat/1.png'],
  [7],
  [undefined],
])('%j is none', (key) => {
  expect(uploadOf(body(key))).toBeUndefined();
});

test.each(['', '{', 'null', '[]', '{"detail": null}'])('a body %j is none', (text) => {
  expect(uploadOf(text)).toBeUndefined();
});

test('each model is looked at once; messages come again only where they are of the newest file, or something failed', async () => {
  const outcomes: { [model: string]: Considered } = {
    quiet: { outcome: 'accepted', id: 'a', state: 'running' },
    loud: { outcome: 'not-quiet', seconds: 9, newest: ['cat/3.png', 'cat/4.png'] },
  };
  const looks: string[] = [];
  const keys = [
    'quiet/cat/1.png',
    'loud/cat/1.png',
    'broken/cat/1.png',
    'loud/cat/3.png',
    'quiet/cat/2.png',
    'loud/cat/4.png',
  ];
  const messages = keys.map((key, i) => ({ id: `${i}`, body: body(`datasets/${key}`) }));
  const lines: object[] = [];
  const again = await answerUploads(
    [...messages, { id: 'none', body: 'no event' }],
    async (model) => {
      looks.push(model);
      const outcome = outcomes[model];
      if (outcome === undefined) throw new Error('the store is away');
      return outcome;
    },
    (line) => lines.push(line),
  );
  expect(looks.sort()).toEqual(['broken', 'loud', 'quiet']);
  expect(again.sort()).toEqual(['2', '3', '5']);
  expect(lines).toHaveLength(4);
});
