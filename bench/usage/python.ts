// The peer: a server of the plain kind, FastAPI with CSV files and pandas (server.py).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { top } from "../../test/program.ts";
import { ensure, freePort } from "../measure.ts";

const python = "/usr/bin/python3";
const modules = "/usr/lib/python3/dist-packages";

export interface PlainServer {
  readonly url: string;
  readonly pid: number;
  /** Versions of Python and its packages, as text. */
  readonly versions: string;
  stop(): Promise<void>;
}

/** @param folder its CSV files @throws Error */
export async function startPlainServer(folder: string): Promise<PlainServer> {
  for (const name of ["fastapi", "uvicorn", "pandas"]) ensure(join(modules, name), `python3-${name}`);
  const port = await freePort();
  const args = [join(top, "bench", "usage", "server.py"), String(port), folder];
  const child = spawn(python, args, { stdio: ["ignore", "inherit", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill();
    await ended;
  };
  for (let i = 0; i < 300 && child.exitCode === null; i++) {
    try {
      const all = (await (await fetch(`${url}/versions`)).json()) as Record<string, string>;
      const versions = Object.entries(all).map(([name, version]) => `${name} ${version}`);
      return { url, pid: child.pid ?? 0, versions: versions.join(", "), stop };
    } catch {
      await wait(100); // It does not listen yet.
    }
  }
  await stop();
  throw new Error("The server in Python does not answer");
}
