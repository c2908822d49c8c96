import { execFile } from "node:child_process";

type Names = ReadonlyMap<number, string>;

/** Sources of userNames; tests replace them. */
export interface UserSources {
  /** Text of this system's own /etc/passwd. */
  own(): string | undefined;
  /** Text of the watched host's /etc/passwd where it is another system than ours, else undefined. */
  host(): string | undefined;
  ticks(): number;
  /** Lines of `getent passwd UID…`; undefined when there is no getent or it took too long. */
  getent?(uids: readonly number[]): Promise<string | undefined>;
  /** Milliseconds that a caller waits for names that are not known yet. */
  patience?: number;
}

/** Milliseconds for which names, and missing ones, are cached. */
const known = 600_000;
const missed = 60_000;

interface Entry {
  readonly name: string | undefined;
  readonly until: number;
}

/** uid → name from lines of passwd(5); the first line of a uid wins, as it does for getpwuid. */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , uid] = line.split(":");
    if (name && uid && /^\d+$/.test(uid) && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return names;
}

function runGetent(uids: readonly number[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: 2000, killSignal: "SIGKILL", maxBuffer: 1024 * 1024 } as const;
    const child = execFile("getent", ["passwd", ...uids.map(String)], options, (error, stdout) => {
      // 2: some of the keys are unknown; the others are printed all the same.
      resolve(error === null || error.code === 2 ? stdout : undefined);
    });
    child.unref();
  });
}

/**
 * Names of users by uid. The name service (LDAP, SSSD) is asked in a process of its own, many ids at once, and a
 * caller never waits for it longer than `patience`: names that come later are there the next time.
 */
export function userNames(doors: UserSources): (uids: readonly number[]) => Promise<Names> {
  const { ticks, getent = runGetent, patience = 150 } = doors;
  const cache = new Map<number, Entry>();
  const asking = new Set<number>();

  async function ask(uids: readonly number[]): Promise<void> {
    for (const uid of uids) asking.add(uid);
    try {
      const found = await look(doors, getent, uids);
      const now = ticks();
      for (const uid of uids) {
        const name = found.get(uid);
        cache.set(uid, { name, until: now + (name === undefined ? missed : known) });
      }
    } catch {
      // No process to be had: the names stay unknown for a minute, the numbers are shown.
      for (const uid of uids) cache.set(uid, { name: cache.get(uid)?.name, until: ticks() + missed });
    } finally {
      for (const uid of uids) asking.delete(uid);
    }
  }

  return async (uids) => {
    const now = ticks();
    const wanted = [...new Set(uids)];
    const due = wanted.filter((uid) => !asking.has(uid) && (cache.get(uid)?.until ?? Number.NEGATIVE_INFINITY) <= now);
    const unknown = due.some((uid) => cache.get(uid)?.name === undefined);
    if (due.length > 0) {
      const asked = ask(due);
      // A name that has merely grown old is shown while it is asked for again.
      if (unknown) await atMost(asked, patience);
    }
    const names = new Map<number, string>();
    for (const uid of wanted) {
      const name = cache.get(uid)?.name;
      if (name !== undefined) names.set(uid, name);
    }
    return names;
  };
}

async function look(
  doors: UserSources,
  getent: NonNullable<UserSources["getent"]>,
  uids: readonly number[],
): Promise<Names> {
  const host = doors.host();
  const found = new Map(host === undefined ? [] : [...parsePasswd(host)].filter(([uid]) => uids.includes(uid)));
  const rest = uids.filter((uid) => !found.has(uid));
  if (rest.length === 0) return found;
  const own = parsePasswd(doors.own() ?? "");
  const lines = await getent(rest);
  const names = lines === undefined ? own : parsePasswd(lines);
  for (const uid of rest) {
    const name = names.get(uid);
    // In a container, a name from the image's own passwd says nothing about the host's user of the same number.
    if (name !== undefined && !(host !== undefined && own.get(uid) === name)) found.set(uid, name);
  }
  return found;
}

async function atMost(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, patience]);
  clearTimeout(timer);
}
