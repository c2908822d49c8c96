import { expect, test } from "vitest";
import { load } from "../../program/setting.ts";
import { planOf, type ReportSettings, table } from "./settings.ts";

const settings: ReportSettings = {
  nodes: {
    one: { netdata: "http://127.0.0.1:19999//" },
    two: { netdata: "http://127.0.0.1:19998", cards: [9, 1], ids: "card" },
    three: { host: "node4", first: 33 },
    toString: { host: "node5" },
  },
  ...{
    folder: "",
    timezone: "",
    time: "23:45",
    tasksUrl: "http://127.0.0.1:8000/",
    tasksToken: "",
    tasksTokenFile: "t",
  },
  ...{ ids: "node", first: { one: 1, three: 17 } },
};

test("a node has the ids and the first one of reports.tasks, unless it has its own", () => {
  expect(planOf(settings, "/data", "Asia/Taipei")).toMatchObject({
    folder: "/data/reports",
    zone: { name: "Asia/Taipei" },
    tasks: { url: "http://127.0.0.1:8000", folder: "/data/report-tasks" },
    nodes: [
      { name: "one", netdata: "http://127.0.0.1:19999", ids: "node", first: 1 },
      { name: "two", netdata: "http://127.0.0.1:19998", cards: [9, 1], ids: "card" },
      { name: "three", host: "node4", ids: "node", first: 33 },
      { name: "toString", host: "node5", ids: "node" },
    ],
  });
  expect(planOf({ ...settings, timezone: "UTC", folder: "/srv" }, "/data", "Asia/Taipei")).toMatchObject({
    folder: "/srv",
    zone: { name: "UTC" },
  });
});

test.each([
  ["http://u:p4ss@10.0.0.17:19999", "http://***@10.0.0.17:19999"],
  ["http://u:p/4ss@word@10.0.0.17", "http://***@10.0.0.17"],
  ["http:/u:p4ss@10.0.0.17", "http:/***@10.0.0.17"],
  ["u:p4ss@10.0.0.17:19999", "***@10.0.0.17:19999"],
  ['http://u:p"4ss \\n@10.0.0.17', "http://***@10.0.0.17"],
  [`http://u:${"p4ss".repeat(1000)}@10.0.0.17`, "http://***@10.0.0.17"],
])("the password of the address %j is not quoted", (netdata, shown) => {
  const bad = [
    { reports: { nodes: { gpu1: { netdata } } } },
    { reports: { nodes: { gpu1: { netdata, host: "gpu1" } } } },
    { reports: { nodes: { gpu1: [netdata] } } },
    { reports: { tasks: { url: netdata } } },
  ];
  for (const file of bad) {
    const read = () => load(table, { file, flags: {}, env: {} });
    expect(read).toThrow(`"${shown}"`);
    expect(read).not.toThrow("4ss");
  }
});
