// npm run bench [NAME]: runs one benchmark, or all of them, and writes our figures and those of peers (other programs in the
// same run) into bench/results.md. GOHM_BENCH_SCALE=0.1 shortens measurements to see that they work; nothing is written then.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll } from "../scripts/build.ts";
import { conditions, isTrial, ratio } from "./measure.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const results = join(top, "bench", "results.md");

/** Replaces the section of one benchmark in the results, and keeps the others. */
function keep(name: string, lines: readonly string[]): void {
  let text =
    "# Results\n\nWritten by `npm run bench`. Ours and the peer's figure come from the same run on the same machine.\n";
  try {
    text = readFileSync(results, "utf8");
  } catch {
    // The first run writes the file.
  }
  const part = `\n## ${name}\n\n${lines.join("\n")}\n`;
  const old = new RegExp(`\\n## ${name}\\n[\\s\\S]*?(?=\\n## |$)`);
  writeFileSync(results, old.test(text) ? text.replace(old, part) : text + part);
}

// They import what the build generates, which a fresh clone does not have yet.
await buildAll();
const benches = await Promise.all([
  import("./agent.bench.ts"),
  import("./delay.bench.ts"),
  import("./history.bench.ts"),
  import("./hub.bench.ts"),
  import("./report.bench.ts"),
  import("./usage.bench.ts"),
]);

const [wanted] = process.argv.slice(2);
const chosen = benches.filter(({ name }) => wanted === undefined || name === wanted);
if (chosen.length === 0) {
  console.error(`Unknown benchmark "${wanted}". Benchmarks: ${benches.map(({ name }) => name).join(", ")}.`);
  process.exit(1);
}
for (const { name, run } of chosen) {
  const lines = [conditions(), ""];
  const print = (line: string): void => {
    console.log(line);
    lines.push(line);
  };
  console.log(`# ${name}: ${lines[0]}`);
  const claims = await run(print);
  if (claims.length > 0) lines.push("", "```", ...claims.map(ratio), "```");
  for (const claim of claims) console.log(ratio(claim));
  if (!isTrial) keep(name, lines);
}
