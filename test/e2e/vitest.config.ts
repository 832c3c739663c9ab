import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    globalSetup: ['../setup/temporary.ts'],
    include: ['*.e2e.ts'],
    // One deployment, that is called, changed and removed, in this order.
    bail: 1,
    testTimeout: 300_000,
    hookTimeout: 1_200_000,
  },
});
