import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../test/cases.ts";
import { manyTasks } from "../../../test/report/tasks.ts";
import { textOf } from "../../sentence.ts";
import { FormError, readAnswer } from "./answer.ts";

test("keys that a task lacks have the defaults of the old tool, and a task without GPUs is none", async () => {
  const { gpus, wrong } = await readAnswer(
    '{"a": {"gpus": [{}]}, "b": {"username": "bob"}, "c": {"username": null, "gpus": [{"uuid": "u", "id": null}], "task": null}}',
  );
  const empty = {
    ...{ host: "unknown", user: "unknown", uuid: "", id: "", model: "Unknown GPU", memory: "0", type: "unknown" },
    ...{ project: "", image: "", start: "", end: "", seconds: 0 },
  };
  expect(gpus).toEqual([empty, { ...empty, uuid: "u" }]);
  expect(wrong).toEqual([]);
});

test("values of other types are replaced and named, and cost no other task", async () => {
  const answer = `{"1": {"username": ["x"], "hostname": "colab-gpu1", "gpus": [{"uuid": "u1", "id": 1, "memory": 196592.50}, 5], "total_seconds": "soon"},
    "2": "nothing", "3": {"gpus": "all"}, "4": {"username": 42, "hostname": "colab-gpu1", "gpus": [{"uuid": "u2", "id": 9, "memory": 1e400}], "total_seconds": "61.5"},
    "5": {"username": "NaN, Infinity", "hostname": "colab-gpu1", "gpus": [{"uuid": "u3", "id": 17}], "total_seconds": NaN, "task": {"image": true}},
    "6": {"username": "eve", "hostname": "colab-gpu1", "gpus": [{"uuid": "u4", "id": 25}], "total_seconds": 1e999}}`;
  const { gpus, wrong, wrongDetails } = await readAnswer(answer);
  const of = gpus.map(({ user, memory, seconds, image }) => ({ user, memory, seconds, image }));
  expect(of).toEqual([
    { user: "unknown", memory: "196592.5", seconds: 0, image: "" },
    { user: "42", memory: "0", seconds: 61.5, image: "" },
    { user: "NaN, Infinity", memory: "0", seconds: 0, image: "" },
    { user: "eve", memory: "0", seconds: 0, image: "" },
  ]);
  expect(wrong.map(textOf)).toEqual([
    'Task 1 has a "username" that is not a text',
    "Task 1 has a GPU that is not an object",
    "Task 2 is not an object",
    'Task 3 has "gpus" that are not a list',
  ]);
  // They say nothing of users.
  expect(wrongDetails.map(textOf)).toEqual([
    'Task 1 has "total_seconds" that are not a number',
    'Task 4 has a "memory" that is not a text',
    'Task 5 has a "image" that is not a text',
    'Task 6 has "total_seconds" that are not a number',
  ]);
  const many = Array.from({ length: 9 }, (_, i) => `"${i}": {"gpus": 1}`);
  expect((await readAnswer(`{${many.join()}, "x": {}}`)).wrong.map(textOf).at(-1)).toBe(
    "4 more values of tasks have another form",
  );
});

test.each([
  [`"username": "${"x".repeat(300_000)}"`, "256 KiB"],
  [`"username": "${'\\"'.repeat(150_000)}"`, "256 KiB"],
  [`"gpus": [${"{},".repeat(50_000)}{}]`, "8192 parts"],
  [`"gpus": ${"[".repeat(50_000)}${"]".repeat(50_000)}`, "8192 parts"],
])("a task of which parsing would take long is no task: %#", async (value, most) => {
  await expect(readAnswer(`{"1": {"username": "a"}, "2": {${value}}}`)).rejects.toThrow(`a task of more than ${most}`);
});

test("a task may have hundreds of GPUs", async () => {
  const gpu = (i: number) => ({ uuid: `GPU-${i}`, id: i, name: "AMD Instinct MI300X", memory: 196592 });
  const task = { username: "alice", hostname: "h", gpus: Array.from({ length: 512 }, (_, i) => gpu(i)) };
  expect((await readAnswer(JSON.stringify({ "1": task }))).gpus).toHaveLength(512);
});

test("ten thousand tasks are read while other work has its turn", async () => {
  const tasks = [...manyTasks(10_000, "colab-gpu1", [1, 9])];
  const answer = `{${tasks.map(([id, task]) => `${JSON.stringify(id)}:${JSON.stringify(task)}`).join()}}`;
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  count();
  const { gpus, wrong } = await readAnswer(answer);
  isOver = true;
  expect([gpus.length, gpus.at(-1)?.user, wrong, turns > 2]).toEqual([10_000, "user9999", [], true]);
});

test("of more GPUs than any site has the rest is left out, and a later task on one that is there counts", async () => {
  const tasks = Array.from({ length: 20_002 }, (_, i) => `"${i}":{"gpus":[{"uuid":"u${i}"}],"username":"amy"}`);
  const { gpus, wrong } = await readAnswer(`{${tasks.join()},"z":{"gpus":[{"uuid":"u0"}],"username":"bob"}}`);
  expect([gpus.length, gpus[0]?.user, wrong.map(textOf)]).toEqual([
    20_000,
    "bob",
    ["There are more than 20000 GPUs: the rest is left out"],
  ]);
});

test("GPUs of tasks of any JSON have the order of the answer, and a later task on one its place", async () => {
  const text = fc.oneof(fc.string(), fc.constantFrom("colab-gpu1", "9", "__proto__", "constructor"));
  const value = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.double(), text);
  const uuid = fc.constantFrom("u1", "2", "__proto__", "", 'a"\\');
  const gpu = fc.record({ uuid, id: value, name: value, memory: value }, { requiredKeys: ["uuid"] });
  const task = fc.record(
    {
      gpus: fc.array(gpu, { maxLength: 3 }),
      hostname: value,
      task: value,
      start: value,
      end: value,
      total_seconds: value,
    },
    { requiredKeys: ["gpus"] },
  );
  const id = fc.oneof(fc.nat({ max: 99 }).map(String), fc.string({ maxLength: 6 }), fc.constant("__proto__"));
  const answers = fc.uniqueArray(fc.tuple(id, task), { selector: ([key]) => key, minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(answers, async (entries) => {
      const json = entries.map(([key, one], i) => {
        const named = JSON.stringify({ ...one, username: `user ${i}` });
        return `${JSON.stringify(key)}:${named}`;
      });
      const { gpus, wrong } = await readAnswer(`{${json.join()}}`);
      const wanted = new Map(
        entries.flatMap(([, one], i) => one.gpus.map((each) => [each.uuid, `user ${i}`] as const)),
      );
      expect(gpus.map(({ uuid: of, user }) => [of, user])).toEqual([...wanted]);
      const odd = gpus.filter(({ seconds, memory, end }) => !Number.isFinite(seconds) || typeof memory !== typeof end);
      expect([odd, wrong.length <= 6]).toEqual([[], true]);
    }),
    cases,
  );
});

test("what is not an object of tasks is refused as such", async () => {
  const piece = fc.constantFrom("{", "}", "[", "]", '"', ":", ",", "\\", "1", "null", '"a"', " ", "<", "é");
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.array(piece, { maxLength: 30 }).map((all) => all.join("")),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const error: unknown = await readAnswer(text).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error !== undefined) expect(error).toBeInstanceOf(FormError);
      else expect(text.trim()).toMatch(/^\{.*\}$/s);
    }),
    cases,
  );
});
