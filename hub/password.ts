// Passwords: their hashes by scrypt, and which are too easy to guess.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { accountKey } from "./book/book.ts";
import { Fault } from "./fault.ts";
import { known, type Standing, Turns } from "./password/turns.ts";

export type { Standing } from "./password/turns.ts";

interface Cost {
  /** Base-2 logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and about 90 ms for each hash. */
const cost: Cost = { ln: 15, r: 8, p: 1 };
const saltBytes = 16;
const hashBytes = 32;

/** Least characters of a password. */
const shortest = 10;

/** The commonest passwords of ten characters and more, in lower case. */
const commonest: ReadonlySet<string> = new Set([
  ...[
    "1234567890",
    "12345678910",
    "0123456789",
    "0987654321",
    "9876543210",
    "123456789a",
    "a123456789",
    "123123123123",
  ],
  ...[
    "qwertyuiop",
    "qwertyuiop123",
    "asdfghjkl123",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "q1w2e3r4t5",
    "qwerty1234",
  ],
  ...[
    "qwerty12345",
    "abcd1234567",
    "abc1234567",
    "abcdefghij",
    "password01",
    "password12",
    "password123",
    "password1234",
  ],
  ...[
    "password12345",
    "passw0rd123",
    "p@ssw0rd123",
    "p@ssword123",
    "mypassword",
    "changeme123",
    "letmein123",
    "welcome123",
  ],
  ...[
    "iloveyou123",
    "administrator",
    "admin12345",
    "admin123456",
    "woaini1314",
    "woaini520520",
    "5201314520",
    "a1b2c3d4e5",
  ],
]);

/**
 * Checks a new password.
 * @param account name of its account
 * @throws Fault password_weak
 */
export function checkPassword(password: string, account: string): void {
  const characters = [...password.normalize("NFC")];
  const refuse = (why: string): never => {
    throw new Fault("password_weak", `The password ${why}.`);
  };
  if (characters.length < shortest) refuse(`must have at least ${shortest} characters: it has ${characters.length}`);
  if (accountKey(password.trim()) === accountKey(account.trim())) refuse("must not be the name of the account");
  if (new Set(characters).size < 3) refuse("must have more than two different characters");
  if (commonest.has(accountKey(password.trim()))) refuse("is one of the commonest: choose another");
}

/**
 * Hashes a password as a PHC string: "$scrypt$ln=15,r=8,p=1$salt$hash". Only for those who have proved who they are.
 * @throws Fault too_many_attempts if too many hashes are waited for
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  return encode(salt, await derive(password, salt, cost, { standing: known }));
}

/**
 * True if a password is that of a hash. Takes as long without a hash, so that an answer does not tell which accounts exist.
 * @param phc undefined for an account that does not exist or has no password
 * @param standing of who asks
 * @throws Fault too_many_attempts if too many hashes are waited for by others with a better standing
 */
export async function verifyPassword(password: string, phc: string | undefined, standing = known): Promise<boolean> {
  const stored = phc === undefined ? undefined : decode(phc);
  const { salt, hash, ...own } = stored ?? { ...cost, salt: noSalt, hash: noHash };
  const same = timingSafeEqual(await derive(password, salt, own, { standing, length: hash.length }), hash);
  return same && stored !== undefined;
}

const noSalt = Buffer.alloc(saltBytes);
const noHash = Buffer.alloc(hashBytes);

interface StoredHash extends Cost {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

const encode = (salt: Buffer, hash: Buffer): string =>
  `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${base64(salt)}$${base64(hash)}`;

/** Costs up to 1 GiB, which a later version of the hub may have written. */
const phcForm =
  /^\$scrypt\$ln=(1[0-9]|20),r=([1-9]|1[0-6]),p=([1-9]|1[0-6])\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Undefined for anything that is not such a hash: nobody can sign in with it. */
function decode(phc: string): StoredHash | undefined {
  const [, ln, r, p, salt = "", hash = ""] = phcForm.exec(phc) ?? [];
  if (ln === undefined) return undefined;
  return {
    ln: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}

const turns = new Turns();

interface DeriveOptions {
  readonly standing: Standing;
  /** Bytes of the key. */
  readonly length?: number;
}

/** Derives a key in its turn. @throws Fault too_many_attempts */
function derive(
  password: string,
  salt: Buffer,
  { ln, r, p }: Cost,
  { standing, length = hashBytes }: DeriveOptions,
): Promise<Buffer> {
  const N = 2 ** ln;
  return turns.run(standing, () => key(password, salt, length, { N, r, p, maxmem: 256 * N * r }));
}

/** The same text has one form, however a keyboard composes it. */
const key = (password: string, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, length, options, (error, derived) => {
      if (error) reject(error);
      else resolve(derived);
    });
  });
