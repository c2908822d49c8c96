import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { readText } from "../../../program/file.ts";
import { makeFoldersSync } from "../../../program/folder.ts";
import { SettingError } from "../../../program/setting.ts";

/** Credentials from the registration, as stored in the token file. */
export interface Credentials {
  readonly token: string;
  /** Address of the hub that issued the token. */
  readonly server: string;
}

/**
 * Returns the default path of the token file: in the service's state directory under systemd, else in the user's configuration.
 * @throws SettingError if there is no such directory.
 */
export function defaultPath(env: Readonly<Record<string, string | undefined>>, home: () => string = homedir): string {
  const state = env.STATE_DIRECTORY?.split(":")[0];
  if (state) return join(state, "push.json");
  const config = env.XDG_CONFIG_HOME?.startsWith("/") ? env.XDG_CONFIG_HOME : undefined;
  const own = config ?? (home().startsWith("/") ? join(home(), ".config") : undefined);
  if (own !== undefined) return join(own, "hmonitor", "push.json");
  throw new SettingError("This user has no home directory to store the hub's token in: name a file with --config");
}

/** True for a token that is valid in an HTTP header. */
export const isToken = (value: unknown): value is string =>
  typeof value === "string" && /^[\x21-\x7e]{1,4096}$/.test(value);

/**
 * Loads the token of an earlier registration; undefined if this agent was never registered.
 * @param warn Called if other users may read the file.
 * @throws SettingError if the file cannot be read, contains something else, or belongs to another hub.
 */
export function loadCredentials(path: string, server: string, warn: (line: string) => void): Credentials | undefined {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SettingError(`Cannot read the token file ${path}: ${(error as Error).message}`);
  }
  const pass = parsePass(text);
  if (pass === undefined) {
    throw new SettingError(
      `Cannot read the token file ${path}: must be {"token": …, "server": …} as hmonitor wrote it. ` +
        "Restore it; or ask the hub's administrator to delete this node or to reset its token, delete the file, and start again",
    );
  }
  // A token is a secret of this machine and one hub: another hub must not receive it.
  if (pass.server !== server) {
    throw new SettingError(
      `The token in ${path} is for ${pass.server}, not for ${server}: name another file with --config, or delete this one to register anew`,
    );
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    warn(`push: others may read the token in ${path}: chmod 600 ${path}`);
  }
  return pass;
}

function parsePass(text: string): Credentials | undefined {
  try {
    const { token, server } = JSON.parse(text) as Record<string, unknown>;
    if (!isToken(token) || typeof server !== "string") return undefined;
    // The portal's own exporter wrote the address as it was typed.
    const { origin, pathname } = new URL(server);
    return { token, server: `${origin}${pathname.replace(/\/+$/, "")}` };
  } catch {
    return undefined; // not JSON, not an object, not an address: the caller's error says what is wanted
  }
}

/** Placeholder longer than any token with the address of its hub. */
const blank = " ".repeat(8192);

/** A token file under construction, known to be writable before a token is requested. */
export interface TokenFile {
  /** Writes the token and moves the file into place. */
  write(pass: Credentials): void;
  /** Removes the draft, unless a token was written. */
  release(): void;
}

/**
 * Makes sure that the token can be stored: a hub issues it only once.
 * @throws SettingError if the file cannot be written.
 */
export function reserveTokenFile(path: string): TokenFile {
  const draft = `${path}.${process.pid}.new`;
  let file: number;
  try {
    makeFoldersSync(dirname(path), 0o700);
    rmSync(draft, { force: true });
    file = openSync(draft, "wx", 0o600);
    // A full disk fails now, not when there is a token to lose.
    writeSync(file, blank);
    fsyncSync(file);
  } catch (error) {
    throw new SettingError(
      `Cannot write the token file ${path}: ${(error as Error).message}. Name another with --config`,
    );
  }
  let open = true;
  return {
    write(pass) {
      ftruncateSync(file, writeSync(file, `${JSON.stringify(pass, null, 2)}\n`, 0));
      fsyncSync(file);
      closeSync(file);
      open = false;
      renameSync(draft, path);
    },
    release() {
      if (!open) return;
      open = false;
      closeSync(file);
      rmSync(draft, { force: true });
    },
  };
}
