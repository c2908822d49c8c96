import type { StartSources } from "../program/setting.ts";
import type { Clock } from "./clock.ts";
import { Fault } from "./fault.ts";
import type { Log } from "./log.ts";
import { readSettings, type Settings, settle, started } from "./settings.ts";

/** Interval of reading the settings file and the files of secrets. */
const intervalMs = 2000;

/** A snapshot of files: each is read once, and its content or error is kept. */
class FileSnapshot {
  readonly #found = new Map<string, { readonly text: string | undefined; readonly fault?: Error }>();

  /** @throws the error of reading the file */
  readonly read = (path: string): string | undefined => {
    const found = this.#found.get(path) ?? this.#take(path);
    if (found.fault !== undefined) throw found.fault;
    return found.text;
  };

  has(path: string): boolean {
    return this.#found.get(path)?.text !== undefined;
  }

  /** Reads the same files again. */
  again(): FileSnapshot {
    const now = new FileSnapshot();
    for (const path of this.#found.keys()) now.#take(path);
    return now;
  }

  same(other: FileSnapshot): boolean {
    return [...this.#found].every(([path, { text, fault }]) => {
      const one = other.#found.get(path);
      return one?.text === text && one?.fault?.message === fault?.message;
    });
  }

  #take(path: string): { text: string | undefined; fault?: Error } {
    let found: { text: string | undefined; fault?: Error };
    try {
      found = { text: readSettings(path) };
    } catch (fault) {
      found = { text: undefined, fault: fault as Error };
    }
    this.#found.set(path, found);
    return found;
  }
}

/** Settings, and the files that they were read from. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** True if there is a settings file. */
  readonly found: boolean;
  readonly files: FileSnapshot;
}

/** @throws Fault setting_bad */
export function loadSettings(given: StartSources): LoadedSettings {
  const files = new FileSnapshot();
  const settings = settle(given, files.read);
  return { settings, found: files.has(settings.settings), files };
}

/** Receives the settings of changed files. Errors that it throws are logged. */
interface SettingsListener {
  readonly log: Log;
  good(settings: Settings): void;
  bad(fault: Fault): void;
}

/**
 * Reads the files every two seconds and calls the listener if their content differs from `loaded`, and later from what it was
 * last called with. This misses no edit: none made while the hub started, none within one tick of the disk's clock, none that
 * could not be read at first. The kernel's notifications miss editors that rename, ConfigMaps that swap a symbolic link, and
 * network filesystems.
 * @returns a function that stops watching
 */
export function watch(
  given: StartSources,
  { clock, ...listener }: SettingsListener & { clock: Clock },
  loaded: LoadedSettings,
): () => void {
  const path = started(given).settings;
  let { files, found } = loaded;
  let cancel = (): void => {};
  const check = (): void => {
    const now = files.again();
    if (!files.same(now)) {
      files = now;
      found ||= now.has(path);
      attempt(listener, path, () => {
        const settings = settle(given, now.read);
        // An editor that renames leaves a moment without the file: all servers would be removed and added again.
        if (found && !now.has(path)) throw new Fault("setting_bad", `Cannot read ${path}: the file is gone`);
        return settings;
      });
    }
    cancel = clock.after(intervalMs, check);
  };
  cancel = clock.after(intervalMs, check);
  return () => cancel();
}

/** Reads settings and calls the listener. No error in a file, or in what applies it, may end a running hub. */
function attempt({ log, good, bad }: SettingsListener, path: string, read: () => Settings): void {
  let settings: Settings;
  try {
    settings = read();
  } catch (error) {
    bad(error instanceof Fault ? error : new Fault("setting_bad", `Cannot read ${path}: ${String(error)}`));
    return;
  }
  try {
    good(settings);
  } catch (error) {
    log.error(`cannot apply changed settings: ${(error as Error).stack ?? String(error)}`);
  }
}
