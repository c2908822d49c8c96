// What an import says of the client that was named with it.
import { afterEach, beforeEach, expect, test } from "vitest";
import { ImportScene, row } from "../../test/import.ts";
import { RosterFixture } from "../../test/roster.ts";
import { heading } from "../csv/form.ts";

let scene: ImportScene;

beforeEach(() => {
  scene = new ImportScene();
});

afterEach(() => scene.close());

const nameless = row.replace("gpu1", "");

/** Sends a file with a client. @returns the notes of the answer */
async function notes(file: string, client: string): Promise<unknown> {
  const { status, value } = await scene.send(heading + file, `?client=${encodeURIComponent(client)}`);
  expect(status).toBe(200);
  return value.notes;
}

test("a client that the hub does not have is said to be new, with the host that may be meant", async () => {
  const names = new RosterFixture({ "gpu-server-2": "10.0.0.12:9203" });
  names.write({ hosts: [{ name: "node7", shown: "Blue Lagoon" }] });
  scene.reopen({ roster: names.roster });
  await scene.send(heading + row.replace("gpu1", "old-machine"));
  expect(await notes(nameless, "gpu-servr-2")).toEqual([
    'There was no host "gpu-servr-2" before, so it has these rows alone: did you mean "gpu-server-2"?',
  ]);
  expect(await notes(nameless, "old-machne")).toEqual([expect.stringMatching(/did you mean "old-machine"\?$/)]);
  expect(await notes(nameless, "Blue Lagoom")).toEqual([expect.stringMatching(/did you mean "Blue Lagoon"\?$/)]);
  expect(await notes(nameless, "something else")).toEqual([
    'There was no host "something else" before, so it has these rows alone.',
  ]);
});

test("nothing is said of a client that history, the settings or administrators know, by either of its names", async () => {
  const names = new RosterFixture({ polled: "10.0.0.12:9203" });
  names.write({ hosts: [{ name: "node7", shown: "Blue" }] });
  scene.reopen({ roster: names.roster });
  await scene.send(heading + row);
  for (const name of ["gpu1", "polled", "node7", "Blue"])
    expect([name, await notes(nameless, name)]).toEqual([name, undefined]);
  // Known since the file before.
  await notes(nameless, "new");
  expect(await notes(nameless, "new")).toBeUndefined();
});

test("a client that no row needs is said not to be used, with those of the file", async () => {
  expect(await notes(row + row.replace("gpu1", "gpu2"), "gpu3")).toEqual([
    'No stored row is of "gpu3", as each has its own client_name: gpu1, gpu2.',
  ]);
  expect(await notes("", "gpu3")).toBeUndefined();
});
