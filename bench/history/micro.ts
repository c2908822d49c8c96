// npx node bench/history/micro.ts: what comments in hub/history/sqlite call faster, against what was not chosen. Nanoseconds
// for one call, the least of several rounds, as other work on the machine only adds to them.

const rounds = 7;
const roundMs = 150;

/** Nanoseconds of one call. */
function nanoseconds(call: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    let calls = 0;
    for (; performance.now() - begun < roundMs; calls += 100) for (let i = 0; i < 100; i++) call();
    least = Math.min(least, ((performance.now() - begun) * 1e6) / calls);
  }
  return least;
}

/** A result that nobody uses might not be worked out at all. */
const sink = { value: 0 };

function compare(what: string, chosen: readonly [string, () => void], other: readonly [string, () => void]): void {
  const [ours, theirs] = [nanoseconds(chosen[1]), nanoseconds(other[1])];
  console.log(
    `${what}: ${chosen[0]} ${ours.toFixed(0)} ns, ${other[0]} ${theirs.toFixed(0)} ns (${(theirs / ours).toFixed(2)} times)`,
  );
}

// chunk.ts, HeadChunk.copy
for (const length of [12, 40, 120]) {
  const [from, to] = [new Uint8Array(1024).fill(7), new Uint8Array(1024)];
  compare(
    `a row of ${length} bytes into the journal`,
    [
      "by a loop",
      () => {
        for (let i = 100, place = 5; i < 100 + length; i++) to[place++] = from[i] ?? 0;
      },
    ],
    ["by a view", () => to.set(from.subarray(100, 100 + length), 5)],
  );
}

// chunk.ts, ArrayPool, and bucket.ts, BufferPool
for (const length of [48, 1440]) {
  const pooled = new Float64Array(length);
  compare(
    `a column of ${length} values to write to`,
    [
      "used again",
      () => {
        sink.value += pooled.fill(1).length;
      },
    ],
    [
      "new",
      () => {
        sink.value += new Float64Array(length).fill(1).length;
      },
    ],
  );
}

// ask/quantile.ts, sort
for (const length of [6, 24, 60]) {
  const given = Float64Array.from({ length }, (_, i) => (i * 7919) % 101);
  const all = new Float64Array(1000);
  compare(
    `${length} samples in order, for p95`,
    [
      "by insertion",
      () => {
        all.set(given, 100);
        for (let i = 101; i < 100 + length; i++) {
          const sample = all[i] ?? 0;
          let place = i;
          for (; place > 100 && (all[place - 1] ?? 0) > sample; place--) all[place] = all[place - 1] ?? 0;
          all[place] = sample;
        }
      },
    ],
    [
      "by the language's sort",
      () => {
        all.set(given, 100);
        all.subarray(100, 100 + length).sort();
      },
    ],
  );
}
if (sink.value === 0) throw new Error("nothing was measured");
