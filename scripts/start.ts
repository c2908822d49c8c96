// npm start: builds everything and starts the hub; and an agent of this machine, if the settings name no other server.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { address, hostPort } from "../program/setting.ts";
import { buildAll, generate } from "./build.ts";

const top = fileURLToPath(new URL("..", import.meta.url));

/** An error that is shown to the user as one sentence, without a stack; the exit status is 1. */
class StartError extends Error {}

/** Started programs, in order. */
const running: { name: string; child: ChildProcess }[] = [];
let stopping: Promise<void> | undefined;

/** Stops all programs in reverse order. Resolves when all have exited. */
function stop(): Promise<void> {
  stopping ??= (async () => {
    for (const { child } of running.toReversed()) await end(child);
  })();
  return stopping;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await closed;
  clearTimeout(late);
}

function stopOnSignals(): void {
  const started = performance.now();
  let first = Number.POSITIVE_INFINITY;
  const onSignal = (): void => {
    const now = performance.now() - started;
    // Ctrl-C arrives twice, from the terminal and from npm: that is one request. A signal a second later kills at once.
    if (now - first > 1000) {
      for (const { child } of running) child.kill("SIGKILL");
      process.exit(1);
    }
    first = Math.min(first, now);
    stop().then(() => process.exit(0));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
}

/** Starts a program of dist/ in its own process group, so that a terminal's Ctrl-C does not reach it before `stop` does. */
function begin(name: string, file: string, env: Readonly<Record<string, string>>): ChildProcess {
  const child = fork(join(top, "dist", file), { env: { ...process.env, ...env }, detached: true, stdio: "inherit" });
  running.push({ name, child });
  child.once("exit", (code, signal) => {
    if (stopping) return;
    process.stderr.write(
      `The ${name} exited${signal ? ` on ${signal}` : code ? ` with status ${code}` : ""}; stopping.\n`,
    );
    stop().then(() => process.exit(1));
  });
  return child;
}

/** Checks that an address can be listened on. @throws StartError if not, such as when another program listens there */
async function checkFree(address: string, name: string): Promise<void> {
  const { host, port } = hostPort(address);
  const probe = createServer();
  const listening = once(probe, "listening");
  probe.listen({ host, port });
  try {
    await listening;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "another program, perhaps GOHM itself, listens there already" : message;
    throw new StartError(`Cannot listen on ${address} (${name}): ${why}; end it or set ${name} to another address`);
  }
  probe.close();
  await once(probe, "close");
}

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/;

/** Returns the address of this machine's agent if the settings name only that; else undefined. */
function ownAgent(servers: ReadonlyMap<string, string>): string | undefined {
  const [[name, address] = ["", ""], ...others] = servers;
  return others.length === 0 && name === "local" && loopback.test(address) ? address : undefined;
}

/** Starts an agent, unless one answers at that address already. @throws StartError if another program does */
async function startAgent(address: string): Promise<void> {
  const { dial } = await import("../hub/input/poll/channel.ts");
  const ask = async (): Promise<"answer" | "nothing" | string> => {
    const channel = dial(address);
    const outcome = await channel.ask(3000);
    channel.close();
    if (outcome.kind === "answer") return "answer";
    return outcome.reason.code === "not_listening" ? "nothing" : outcome.reason.text;
  };
  const there = await ask();
  if (there === "answer") {
    process.stdout.write(`Using the agent that already runs at ${address}.\n`);
    return;
  }
  if (there !== "nothing") {
    throw new StartError(
      `Cannot start an agent at ${address}: another program is there (${there}); end it or name other servers in the settings`,
    );
  }
  const child = begin("agent", "hmonitor", { GOHM_ADDR: process.env.GOHM_ADDR || address });
  while (child.exitCode === null && child.signalCode === null) {
    if ((await ask()) === "answer") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise(() => {});
}

async function main(): Promise<void> {
  // The hub's settings come from its parts, which import generated descriptors.
  generate();
  const { readSettings, settle, table } = await import("../hub/settings.ts");
  const { addresses } = await import("../hub/servers.ts");
  const settings = settle({ flags: {}, env: process.env }, readSettings);
  for (const { name, env, reader } of Object.values(table)) {
    if (reader === address) await checkFree(settings.byName[name] as string, env);
  }
  process.stdout.write("Building …\n");
  await buildAll();
  if (stopping) return;
  const own = ownAgent(addresses(settings.servers));
  if (own !== undefined) await startAgent(own);
  if (stopping) return;
  const hub = begin("hub", "gohm.mjs", {});
  hub.once("message", (ready) => {
    const { url } = ready as { url: string };
    process.stdout.write(`\nOpen ${url} in a browser. Ctrl-C stops everything.\n`);
  });
}

/** Stops everything when npm is gone: if it is killed by SIGKILL, no signal reaches this process. */
function stopWithNpm(): void {
  if (process.env.npm_lifecycle_event !== "start") return;
  const npm = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(look);
    stop().then(() => process.exit(1));
  }, 1000);
}

stopOnSignals();
stopWithNpm();
try {
  await main();
} catch (error) {
  const known = error instanceof StartError || (error as Error).name === "Fault";
  process.stderr.write(`${known ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  await stop();
  process.exit(1);
}
