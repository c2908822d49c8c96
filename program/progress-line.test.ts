import { Writable } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { bar, ProgressLine } from "./progress-line.ts";

function lineOn(terminal: object) {
  const written: string[] = [];
  const out = new Writable({
    write(piece, _encoding, done) {
      written.push(String(piece));
      done();
    },
  });
  return { written, line: new ProgressLine(Object.assign(out, terminal)) };
}

test.each([
  [{ isTTY: true, columns: 10 }, 9],
  [{ isTTY: true, columns: 0 }, 79],
  [{ isTTY: true }, 79],
])("on the terminal %j a line has at most %d characters, and is removed", (terminal, length) => {
  const { written, line } = lineOn(terminal);
  line.draw(() => "x".repeat(200));
  line.clear();
  line.clear();
  expect(written).toEqual([`\r\x1b[K${"x".repeat(length)}`, "\r\x1b[K"]);
});

test("elsewhere nothing is written, and the line is not made", () => {
  const { written, line } = lineOn({});
  line.draw(() => {
    throw new Error("made");
  });
  line.clear();
  expect([written, line.isDrawn]).toEqual([[], false]);
});

test("a line is drawn again after a while, or once it was removed", () => {
  const clock = vi.spyOn(performance, "now").mockReturnValue(1000);
  onTestFinished(() => clock.mockRestore());
  const { written, line } = lineOn({ isTTY: true });
  line.draw(() => "1");
  line.draw(() => "2");
  line.clear();
  line.draw(() => "3");
  clock.mockReturnValue(1100);
  line.draw(() => "4");
  expect(written).toEqual(["\r\x1b[K1", "\r\x1b[K", "\r\x1b[K3", "\r\x1b[K4"]);
});

test.each([
  [0, `[${"-".repeat(24)}] 0 %`],
  [0.999, `[${"#".repeat(24)}] 99 %`],
  [1, `[${"#".repeat(24)}] 100 %`],
  [1.2, `[${"#".repeat(24)}] 100 %`],
  [-1, `[${"-".repeat(24)}] 0 %`],
])("the bar of %d is %s", (part, text) => {
  expect(bar(part)).toBe(text);
});
