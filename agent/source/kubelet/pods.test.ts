import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePods } from "./pods.ts";

const uid = "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b";

test.each([
  ["a pod", `lab_train-0_${uid}`, [uid, { namespace: "lab", pod: "train-0" }]],
  ["a name with dots", `kube-system_etcd-node1.lab_${uid}`, [uid, { namespace: "kube-system", pod: "etcd-node1.lab" }]],
  [
    "a static pod",
    "kube-system_proxy_0123456789abcdef0123456789abcdef",
    ["0123456789abcdef0123456789abcdef", { namespace: "kube-system", pod: "proxy" }],
  ],
])("reads %s", (_, name, pod) => {
  expect([...parsePods([name])]).toEqual([pod]);
});

test.each([uid, `lab_${uid}`, `lab_a_b_${uid}`, `lab_train_${uid}x`, `Lab_x_${uid}`, "lab_train_not-a-uid", ""])(
  "%j is no pod's folder",
  (name) => {
    expect(parsePods([name]).size).toBe(0);
  },
);

test("whatever stands in the folder, a name is of a pod and no longer than Kubernetes allows", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9._-]{1,400}$/))), (names) => {
      for (const [id, { namespace, pod }] of parsePods(names)) {
        expect(id).toMatch(/^[0-9a-f-]{32,36}$/);
        expect(namespace.length).toBeLessThanOrEqual(63);
        expect(pod.length).toBeLessThanOrEqual(253);
      }
    }),
  );
});
