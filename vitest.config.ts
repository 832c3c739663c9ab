import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The suite of the training program: minutes on one core, and a small file, which Vitest would start last. */
const LONGEST = join(import.meta.dirname, 'test/train/train.test.ts');

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLater = ({ moduleId }: TestSpecification): number => Number(moduleId !== LONGEST);
    return (await super.sort(files)).toSorted((a, b) => isLater(a) - isLater(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/temporary.ts', 'test/setup/models.ts'],
    sequence: { sequencer: LongestFirst },
    // Servers, child processes and Python start in many of them, on machines with two cores.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000, interval: 50 } },
    maxWorkers: 2,
    // In CI a test that fails is run once more, and the report marks it: 1,600 tests that talk to real processes on a
    // shared machine. One that fails twice fails. On a developer's machine none is hidden.
    retry: process.env.CI ? 1 : 0,
  },
});
