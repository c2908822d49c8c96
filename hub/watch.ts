import type { Clock } from "./clock.ts";
import { Fault } from "./fault.ts";
import { type Given, readSettings, type Settings, settle, started } from "./settings.ts";

/** Milliseconds between two looks at the settings file and the files of secrets. */
const interval = 2000;

/** Files as they were at one moment: each is read once, and what came of it is remembered. */
class Files {
  readonly #found = new Map<string, { readonly text: string | undefined; readonly fault?: Error }>();

  /** @throws what reading threw */
  readonly read = (path: string): string | undefined => {
    const found = this.#found.get(path) ?? this.#take(path);
    if (found.fault !== undefined) throw found.fault;
    return found.text;
  };

  has(path: string): boolean {
    return this.#found.get(path)?.text !== undefined;
  }

  /** The same files as they are now. */
  again(): Files {
    const now = new Files();
    for (const path of this.#found.keys()) now.#take(path);
    return now;
  }

  same(other: Files): boolean {
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
export interface Loaded {
  readonly settings: Settings;
  /** Whether there is a settings file. */
  readonly found: boolean;
  readonly files: Files;
}

/** @throws Fault setting_bad */
export function loadSettings(given: Given): Loaded {
  const files = new Files();
  const settings = settle(given, files.read);
  return { settings, found: files.has(settings.settings), files };
}

/** Called when what the files hold has changed. */
export interface Changed {
  good(settings: Settings): void;
  bad(fault: Fault): void;
}

/**
 * Reads the files every two seconds and reports when what they hold differs from `loaded`, and then from the last report,
 * so that no edit is missed: not one made while the hub started, not one within the same tick of the disk's clock, and not
 * one that could not be read at first. The returned function ends that. Notifications of the kernel miss what editors that
 * rename, ConfigMaps that swap a symbolic link, and network filesystems do.
 */
export function watch(given: Given, { clock, ...changed }: Changed & { clock: Clock }, loaded: Loaded): () => void {
  const path = started(given).settings;
  let { files, found } = loaded;
  let cancel = (): void => {};
  const check = (): void => {
    const now = files.again();
    if (!files.same(now)) {
      files = now;
      found ||= now.has(path);
      attempt(changed, path, () => {
        const settings = settle(given, now.read);
        // An editor that renames leaves a moment without the file: every server would be forgotten and learnt again.
        if (found && !now.has(path)) throw new Fault("setting_bad", `Cannot read ${path}: the file is gone`);
        return settings;
      });
    }
    cancel = clock.after(interval, check);
  };
  cancel = clock.after(interval, check);
  return () => cancel();
}

function attempt({ good, bad }: Changed, path: string, read: () => Settings): void {
  let settings: Settings;
  try {
    settings = read();
  } catch (error) {
    // Whatever is wrong with a file, it must not end a hub that runs.
    bad(error instanceof Fault ? error : new Fault("setting_bad", `Cannot read ${path}: ${String(error)}`));
    return;
  }
  good(settings);
}
