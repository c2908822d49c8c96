import { defineConfig } from "vitest/config";

// Three kinds, one run: unit tests sit beside their file; system and browser tests span programs and take turns.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{proto,agent,hub,web,scripts}/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{system,attack,fault,wire,nvml,browser,deploy}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
