import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    globalSetup: ['../setup/temporary.ts'],
    include: ['*.browser.ts'],
    testTimeout: 40_000,
    hookTimeout: 180_000,
    // One browser and one server, for all of them.
    fileParallelism: false,
  },
});
