// JSON of long columns, written digit by digit into bytes, without a string of the whole column in between.

const comma = 44;
const zero = 48;
const minus = 45;
const point = 46;
/** Of a number as JavaScript writes it: "-1.2345678901234567e-300" has 24. */
const longest = 26;

/** The digits of 00 to 99. */
const pairs = Uint8Array.from({ length: 200 }, (_, i) => zero + (i % 2 === 0 ? Math.floor(i / 20) : (i >> 1) % 10));

/** Buffer that is reused: fresh pages of memory cost more than the digits. */
let spare = Buffer.alloc(0);

/** "[1,2.5,null]": numbers from `start` up to `end`; NaN and infinities are null. */
export function numbers(values: Float64Array, start = 0, end = values.length): Buffer {
  const room = 2 + longest * (end - start);
  if (spare.length < room) spare = Buffer.alloc(room);
  const out = spare;
  let at = 0;
  out[at++] = 91;
  for (let i = start; i < end; i++) {
    if (i > start) out[at++] = comma;
    at = put(out, at, values[i] as number);
  }
  out[at++] = 93;
  return Buffer.from(out.subarray(0, at));
}

function put(out: Buffer, at: number, value: number): number {
  if (Number.isSafeInteger(value)) return integer(out, at, value);
  if (!Number.isFinite(value)) return at + out.write("null", at, "latin1");
  // Most fractions have two decimals, as history keeps them: those are integers with a point in them.
  // With 15 digits at most, no other text of that length is the same double.
  const cents = Math.round(value * 100);
  if (cents / 100 === value && Math.abs(cents) < 1e15) return hundredths(out, at, cents);
  return at + out.write(String(value), at, "latin1");
}

function integer(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (rest < 0) {
    out[at++] = minus;
    rest = -rest;
  }
  if (rest <= 0x7fff_ffff) return short(out, at, rest | 0);
  // Beyond 31 bits an integer is a double, and its division slow: one, then eight digits by their pairs.
  const high = Math.floor(rest / 1e8);
  let low = (rest - high * 1e8) | 0;
  at = short(out, at, high | 0);
  for (let place = at + 6; place >= at; place -= 2) {
    const next = (low / 100) | 0;
    const pair = (low - next * 100) * 2;
    out[place] = pairs[pair] as number;
    out[place + 1] = pairs[pair + 1] as number;
    low = next;
  }
  return at + 8;
}

/** An integer of 0 to 2^31. */
function short(out: Buffer, start: number, value: number): number {
  let count = 1;
  for (let rest = value; rest > 9; rest = (rest / 10) | 0) count++;
  let rest = value;
  for (let place = start + count - 1; place >= start; place--) {
    const next = (rest / 10) | 0;
    out[place] = zero + rest - next * 10;
    rest = next;
  }
  return start + count;
}

function hundredths(out: Buffer, start: number, cents: number): number {
  let at = start;
  let rest = cents;
  if (rest < 0) {
    out[at++] = minus;
    rest = -rest;
  }
  const whole = Math.floor(rest / 100);
  at = integer(out, at, whole);
  const tail = rest - whole * 100;
  const tens = (tail / 10) | 0;
  out[at++] = point;
  out[at++] = zero + tens;
  if (tail !== tens * 10) out[at++] = zero + tail - tens * 10;
  return at;
}
