import { afterEach, expect, test, vi } from "vitest";
import { type Viewer, viewer } from "../../viewer.ts";
import { hubAddress } from "./address.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  viewer.value = undefined;
});

const administrator: Viewer = {
  kind: "administrator",
  name: "alice",
  rights: ["open", "read", "admin"],
  session: true,
  encrypted: true,
  accounts: true,
};

test.each([
  ["http://127.0.0.1:5000/", "http://10.0.0.2:5000", "http://10.0.0.2:5000"],
  ["http://localhost:8080/index.html", "https://lab.example/gpus", "https://lab.example/gpus"],
  ["http://[::1]:5000/", "http://10.0.0.2:5000", "http://10.0.0.2:5000"],
  ["http://10.0.0.2:5000/", "http://hub:5000", "http://10.0.0.2:5000"],
  ["https://lab.example/gpus/", "http://10.0.0.2:5000", "https://lab.example/gpus"],
  ["http://127.0.0.1:5000/", undefined, "http://127.0.0.1:5000"],
])("others reach the hub of the page at %s, which calls itself %s, at %s", (baseURI, url, address) => {
  vi.stubGlobal("document", { baseURI });
  viewer.value = { ...administrator, ...(url === undefined ? {} : { url }) };
  expect(hubAddress()).toBe(address);
});
