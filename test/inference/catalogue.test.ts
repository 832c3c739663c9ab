import { expect, test } from 'vitest';
import { Catalogue } from '../../functions/inference/catalogue.ts';
import type { ModelStore, StoredModel, Telemetry } from '../../functions/inference/ports.ts';

const silent = { info() {}, warn() {}, error() {} };
const telemetry: Telemetry = {
  inference() {},
  loaded() {},
  loadFailed() {},
  compiledUnused() {},
  staleServed() {},
  canaryEnded() {},
};

test('a look that began before a load request does not undo its configuration', async () => {
  const answers: ((found: StoredModel) => void)[] = [];
  const store: ModelStore = {
    models: async () => ['m'],
    find: () => new Promise((resolve) => answers.push(resolve)),
    fetch: () => Promise.reject(new Error('nothing is fetched')),
    read: () => Promise.reject(new Error('nothing is read')),
    readUpTo: () => Promise.reject(new Error('nothing is read')),
    names: () => Promise.reject(new Error('nothing is listed')),
  };
  const catalogue = new Catalogue(store, telemetry, silent, { staleMs: 60_000, patienceMs: 500 });
  const stored: StoredModel = { config: { max_batch_size: 4 }, versions: ['1'] };
  const before = catalogue.look('m');
  catalogue.override('m', { config: { max_batch_size: 16 } });
  const after = catalogue.find('m');
  expect(answers).toHaveLength(2);
  answers[1]?.(stored);
  expect((await after).config.max_batch_size).toBe(16);
  answers[0]?.(stored);
  await before;
  expect((await catalogue.find('m')).config.max_batch_size).toBe(16);
});
