import { defineConfig } from 'vitest/config'

// The deadline is for a loaded machine, where a sidecar may take seconds to start; nothing waits for it when all is well.
export default defineConfig({
  test: {
    include: ['tests/unit/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
