// A process that writes the report of a node again and again until it is killed, each with other values (see
// report-kill.test.ts). Each line of output is the number of a report that was written.
import { writeSync } from "node:fs";
import { writeReport } from "../../hub/report/folder.ts";
import { numberedReport } from "../report/numbered.ts";

const [, , folder = "", first = "0"] = process.argv;
for (let number = Number(first); ; number++) {
  await writeReport(folder, numberedReport(number), new Map());
  writeSync(1, `safe ${number}\n`);
}
