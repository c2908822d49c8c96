// The driver's reader is the same program in a second process; it must stay small, so it loads nothing of the server.
const [, , command, ...rest] = process.argv;

async function main(): Promise<number | undefined> {
  const { run } = await import("./agent.ts");
  return run(command === undefined ? [] : [command, ...rest]);
}

main().then(
  (status) => {
    if (status !== undefined) process.exit(status);
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
