import { defineConfig } from "vitest/config";

// Two kinds, one run: unit tests are beside their file; tests of whole programs come after them. Those wait a lot (for a poll, a
// deadline, a browser), so two files run at a time, on any machine: more would make them time out where there are many cores.
// What a test waits for comes when a busy machine gets to it, which a second (the default) does not allow.
const expect = { poll: { timeout: 15_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{proto,program,agent,hub,web,scripts}/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 20_000,
          expect,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{system,attack,fault,wire,nvml,browser,deploy,push,logger,report}/**/*.test.ts"],
          testTimeout: 60_000,
          expect,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
