import { expect, test } from "vitest";
import { planOf, type ReportSettings } from "./settings.ts";

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
