import { resolve } from "node:path";
import { fileLimit } from "../program/file.ts";
import type { StartSources } from "../program/setting.ts";
import { clean } from "../proto/clean.ts";
import type { BookReader } from "./book/book.ts";
import type { Clock } from "./clock.ts";
import type { Effect } from "./desk.ts";
import { Fault } from "./fault.ts";
import type { Log } from "./log.ts";
import type { Obstacle, ServerChange } from "./servers.ts";
import { defaultServers, readSettings, type Settings, settle, started } from "./settings.ts";
import type { ServersFile } from "./view/view.ts";
import { editServer } from "./watch/edit.ts";
import { obstacleOf, realPath } from "./watch/obstacle.ts";
import { Changed, Replacement, recover } from "./watch/replacement.ts";

/** Interval of reading the settings file and the files of secrets. */
const intervalMs = 2000;

/** Content of a file, or the error of reading it; neither if there is no file. */
interface FileContent {
  readonly text: string | undefined;
  readonly fault?: Error;
}

/** A snapshot of files: each is read once, and its content or error is kept. */
class FileSnapshot {
  readonly #found: Map<string, FileContent>;

  constructor(found: Iterable<readonly [string, FileContent]> = []) {
    this.#found = new Map(found);
  }

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

  /** The same files, one of them with another content. */
  with(path: string, text: string): FileSnapshot {
    return new FileSnapshot([...this.#found, [path, { text }]]);
  }

  same(other: FileSnapshot): boolean {
    return [...this.#found].every(([path, { text, fault }]) => {
      const one = other.#found.get(path);
      return one?.text === text && one?.fault?.message === fault?.message;
    });
  }

  #take(path: string): FileContent {
    let found: FileContent;
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

/** The settings file and the files of secrets: follows their edits, and changes servers for administrators. */
export class SettingsFile implements ServersFile {
  readonly path: string;
  readonly #given: StartSources;
  /** As the settings name it. */
  readonly #name: string;
  #files: FileSnapshot;
  #found: boolean;
  /** Why the files cannot be used at the moment. */
  #fault: Fault | undefined;
  #listener: SettingsListener | undefined;
  /** Completes or undoes an edit that a crash interrupted; undefined once that is done. */
  #recover: (() => void) | undefined;

  constructor(given: StartSources, { files, found }: LoadedSettings) {
    this.#given = given;
    this.#name = started(given).settings;
    this.path = resolve(this.#name);
    this.#files = files;
    this.#found = found;
  }

  /**
   * Reads the files every two seconds and calls the listener if their content differs from what was loaded, and later from what
   * it was last called with. This misses no edit: none made while the hub started, none within one tick of the disk's clock,
   * none that could not be read at first. The kernel's notifications miss editors that rename, ConfigMaps that swap a symbolic
   * link, and network filesystems.
   * @returns a function that stops watching
   */
  watch({ clock, ...listener }: SettingsListener & { clock: Clock }): () => void {
    this.#listener = listener;
    let cancel = (): void => {};
    const look = (): void => {
      this.refresh();
      cancel = clock.after(intervalMs, look);
    };
    cancel = clock.after(intervalMs, look);
    return () => {
      this.#listener = undefined;
      cancel();
    };
  }

  refresh(): void {
    if (this.#listener === undefined) return;
    const now = this.#files.again();
    if (this.#files.same(now)) return;
    this.#files = now;
    this.#found ||= now.has(this.#name);
    this.#attempt(() => {
      const settings = settle(this.#given, now.read);
      // An editor that renames leaves a moment without the file: all servers would be removed and added again.
      if (this.#found && !now.has(this.#name)) {
        throw new Fault("setting_bad", `Cannot read ${this.#name}: the file is gone`);
      }
      return settings;
    });
  }

  obstacle(): Obstacle | undefined {
    const found = obstacleOf(this.path);
    if (found !== undefined || this.#fault === undefined) return found;
    return { kind: "invalid", reason: this.#fault.message, owner: undefined };
  }

  edit(name: string, change: ServerChange | undefined): Effect {
    const obstacle = this.obstacle();
    if (obstacle !== undefined) throw unwritable(this.path, obstacle.reason);
    // A new entry may get the number of one that was not committed.
    this.#recover?.();
    const before = this.#files.read(this.#name);
    const content = before ?? `${JSON.stringify({ servers: defaultServers }, null, 2)}\n`;
    const after = editServer(content, { name, change, defaults: defaultServers });
    // The hub would not read it when it starts next.
    if (Buffer.byteLength(after) > fileLimit) {
      throw new Fault(
        "bad_request",
        `The settings file would be larger than ${fileLimit} bytes, and could not be read.`,
      );
    }
    const files = this.#files.with(this.#name, after);
    const settings = checked(() => settle(this.#given, files.read));
    const replacement = new Replacement(realPath(this.path), before, after);
    return {
      make: (entry) => {
        if (after === before) return;
        try {
          replacement.make(entry);
        } catch (error) {
          const { message } = error as Error;
          throw unwritable(this.path, error instanceof Changed ? `${message}; try again` : message, error);
        }
      },
      undo: () => this.#care(() => replacement.undo()),
      keep: () => {
        this.#care(() => replacement.keep());
        // Without a listener the next look finds the change.
        if (this.#listener === undefined || after === before) return;
        this.#files = files;
        this.#found = true;
        this.#attempt(() => settings);
      },
    };
  }

  /**
   * Completes or undoes an edit that a crash interrupted: now, or before the next edit if the book cannot be read. What is undone
   * is read with the next look.
   */
  recover(book: Pick<BookReader, "audit">, log: Log): void {
    const settings = clean(this.path);
    const isMade = (number: number): boolean =>
      book
        .audit({ limit: 1, before: number + 1 })
        .some(({ id, details }) => id === number && details.settings === settings);
    this.#recover = () => {
      try {
        recover(realPath(this.path), isMade);
      } catch (error) {
        // There may be no such folder.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      this.#recover = undefined;
    };
    try {
      this.#recover();
    } catch (error) {
      log.warn(`whether an edit of ${this.path} was interrupted is not known: ${(error as Error).message}`);
    }
  }

  /** Logs what fails: the hub puts the file in order at its next start. */
  #care(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#listener?.log.error(`${this.path} was not put in order: ${(error as Error).message}`);
    }
  }

  /** Reads settings and calls the listener. No error in a file, or in what applies it, may end a running hub. */
  #attempt(read: () => Settings): void {
    const { log, good, bad } = this.#listener ?? {};
    let settings: Settings;
    try {
      settings = read();
      this.#fault = undefined;
    } catch (error) {
      this.#fault =
        error instanceof Fault ? error : new Fault("setting_bad", `Cannot read ${this.#name}: ${String(error)}`);
      bad?.(this.#fault);
      return;
    }
    try {
      good?.(settings);
    } catch (error) {
      log?.error(`cannot apply changed settings: ${(error as Error).stack ?? String(error)}`);
    }
  }
}

const unwritable = (path: string, reason: string, cause?: unknown): Fault =>
  new Fault("host_in_settings", `The hub cannot change ${path}: ${reason}.`, { cause });

/** An edit that would make the settings invalid is a bad request. @throws Fault bad_request */
function checked(read: () => Settings): Settings {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault("bad_request", `The settings file would not be valid: ${error.message}.`, { cause: error });
  }
}
