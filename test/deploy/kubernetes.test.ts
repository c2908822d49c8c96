// The Kubernetes manifests, as kustomize gives them to a cluster.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseAllow } from "../../agent/allow.ts";
import { command as healthCommand } from "../../agent/health.ts";
import { table as agentTable, parseCommandLine } from "../../agent/settings.ts";
import { loadExporter } from "../../agent/toml.ts";
import { healthRoutes } from "../../hub/route/health.ts";
import { table as hubTable, readSettings, settle } from "../../hub/settings.ts";
import { top } from "../program.ts";
import { documents, kustomize, type Manifest, type Node } from "./kustomize.ts";
import { faults } from "./schema.ts";

const folder = join(top, "deploy", "kubernetes");
const variants = ["base", "exporter", "guarded", "pods", "privileged", "site"] as const;
const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { version: string };

interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}
interface Probe extends Node {
  readonly exec?: { readonly command: readonly string[] };
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
}
interface Container {
  readonly image: string;
  readonly env: readonly ({ readonly name: string; readonly value?: string } & Node)[];
  readonly ports: readonly { readonly name: string }[];
  readonly resources: { readonly limits: Node };
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: Node;
  readonly volumeMounts: readonly Mount[];
}
interface Pod extends Node {
  readonly containers: readonly [Container];
  readonly volumes: readonly ({ readonly name: string } & Node)[];
  readonly securityContext?: Node;
}
interface Workload extends Manifest {
  readonly spec: {
    readonly selector: { readonly matchLabels: Node };
    readonly volumeClaimTemplates?: readonly Manifest[];
    readonly template: { readonly metadata: { readonly labels: Node }; readonly spec: Pod };
  };
}

function workload(variant: string, kind: "DaemonSet" | "StatefulSet"): Workload {
  const found = kustomize(join(folder, variant)).find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind} in ${variant}`);
  return found as Workload;
}
const pod = (variant: string, kind: "DaemonSet" | "StatefulSet"): Pod => workload(variant, kind).spec.template.spec;

describe.each(variants)("%s", (variant) => {
  const manifests = kustomize(join(folder, variant));

  test.each(manifests.map((each) => [each.kind, each.metadata.name, each] as const))(
    "%s %s is what the published schema says",
    (kind, _, manifest) => {
      expect(faults(kind, manifest)).toEqual([]);
    },
  );

  test("has one agent and one hub, all in one namespace", () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names.sort()).toEqual([
      "ConfigMap gohm",
      "ConfigMap hmonitor",
      "DaemonSet hmonitor",
      "Namespace gohm",
      "NetworkPolicy gohm",
      "NetworkPolicy hmonitor",
      "Service gohm",
      "Service hmonitor",
      "StatefulSet gohm",
    ]);
    expect(
      new Set(manifests.filter(({ kind }) => kind !== "Namespace").map(({ metadata }) => metadata.namespace)),
    ).toEqual(new Set(["gohm"]));
  });

  test("the agent sees the node: its processes, its files read-only, its name; and tolerates the GPU taint", () => {
    const spec = pod(variant, "DaemonSet");
    const [{ env, volumeMounts, resources }] = spec.containers;
    expect(spec.hostPID).toBe(true);
    expect(spec.runtimeClassName).toBeUndefined();
    expect(spec.tolerations).toContainEqual({ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" });
    expect(env).toContainEqual({ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } });
    expect(env).toContainEqual({ name: "GOHM_ROOT", value: "/host" });
    expect(volumeMounts.find(({ mountPath }) => mountPath === "/host")).toMatchObject({
      readOnly: true,
      mountPropagation: "HostToContainer",
    });
    // The folder of the socket that the agent looks for, as it is on the node.
    const socket = agentTable.kubelet.default;
    expect(volumeMounts).toContainEqual({ name: "pod-resources", mountPath: dirname(socket), readOnly: true });
    expect(resources.limits).toEqual({ cpu: "200m", memory: "256Mi" });
  });

  test("no container is or can become root, except an agent that must be, and root file systems are read-only", () => {
    for (const kind of ["DaemonSet", "StatefulSet"] as const) {
      const spec = pod(variant, kind);
      const security = { ...spec.securityContext, ...spec.containers[0].securityContext };
      const privileged = variant === "privileged" && kind === "DaemonSet";
      expect(security.readOnlyRootFilesystem).toBe(true);
      expect(security.privileged).toBe(privileged);
      if (privileged) continue;
      const root = variant === "pods" && kind === "DaemonSet";
      expect(security).toMatchObject({
        runAsNonRoot: !root,
        runAsUser: root ? 0 : 65532,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      });
    }
  });

  test("every mount has its volume, every volume its mount, every named port and label its counterpart", () => {
    for (const kind of ["DaemonSet", "StatefulSet"] as const) {
      const { spec } = workload(variant, kind);
      const { containers, volumes } = spec.template.spec;
      const claims = spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? [];
      const mounted = containers[0].volumeMounts.map(({ name }) => name);
      expect([...volumes.map(({ name }) => name), ...claims].sort()).toEqual(mounted.sort());
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    }
    const ports = (kind: "DaemonSet" | "StatefulSet") => pod(variant, kind).containers[0].ports.map(({ name }) => name);
    const named = JSON.stringify(manifests.filter(({ kind }) => kind === "NetworkPolicy" || kind === "Service"));
    const targets = [...named.matchAll(/"(?:port|targetPort)":"(\w+)"/g)].map(([, port]) => port);
    expect(targets.length).toBeGreaterThan(4);
    expect([...ports("DaemonSet"), ...ports("StatefulSet")]).toEqual(expect.arrayContaining(targets));
  });

  test("the images are those of this version, and their settings are known ones", () => {
    const rows: readonly { readonly env: string; readonly secret?: boolean }[] = [
      ...Object.values(agentTable),
      ...Object.values(hubTable),
    ];
    // A secret may come from a file.
    const known = rows.flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env]));
    // The exporter's address; the rest is NVIDIA's and Kubernetes's.
    known.push("GOHM_METRICS_ADDR");
    for (const kind of ["DaemonSet", "StatefulSet"] as const) {
      const [{ image, env }] = pod(variant, kind).containers;
      expect(image).toMatch(new RegExp(`:${version.replaceAll(".", "\\.")}$`));
      expect(env.map(({ name }) => name).filter((name) => name.startsWith("GOHM_") && !known.includes(name))).toEqual(
        [],
      );
    }
  });
});

const asked = variants.filter((variant) => variant !== "exporter");

test.each(asked)("the agent of %s is asked from inside whether it is well, and lets that in", (variant) => {
  const [{ env, startupProbe, livenessProbe, readinessProbe, resources }] = pod(variant, "DaemonSet").containers;
  const value = (name: string): string => env.find((each) => each.name === name)?.value ?? "";
  for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
    const [program, ...words] = probe?.exec?.command ?? [];
    expect(program).toBe("hmonitor");
    const flags = probe === readinessProbe ? { ready: true } : {};
    expect(parseCommandLine(words)).toEqual({ flags, words: [healthCommand] });
    // It gives up after five seconds by itself, and starting takes a share of a fifth of a processor.
    expect(probe?.timeoutSeconds).toBeGreaterThan(5);
  }
  expect(resources.limits.cpu).toBe("200m");
  expect(livenessProbe?.periodSeconds).toBeGreaterThanOrEqual(60);
  expect(readinessProbe?.periodSeconds).toBeGreaterThanOrEqual(60);
  const allow = parseAllow(value("GOHM_ALLOW"));
  expect(["127.0.0.1", "10.244.3.4", "8.8.8.8"].map((peer) => allow.allows(peer))).toEqual([true, true, false]);
});

test("the variant 'exporter' is scraped over HTTP as the earlier exporter was, and allows the kubelet of a private network", () => {
  const [{ env, startupProbe, livenessProbe, readinessProbe }] = pod("exporter", "DaemonSet").containers;
  for (const [probe, path] of [
    [startupProbe, "/healthz"],
    [livenessProbe, "/healthz"],
    [readinessProbe, "/ready"],
  ] as const) {
    expect(probe).toMatchObject({ httpGet: { path, port: "metrics" } });
    expect(probe).not.toHaveProperty("exec");
  }
  const allow = parseAllow(env.find(({ name }) => name === "GOHM_ALLOW")?.value ?? "");
  expect(["10.1.2.3", "172.20.0.1", "192.168.1.9", "8.8.8.8"].map((peer) => allow.allows(peer))).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test("the exporter's Service maps port 80 to 8080, and its ConfigMap enables everything that the earlier exporter had", () => {
  const manifests = kustomize(join(folder, "base"));
  const found = (kind: string) =>
    manifests.find((each) => each.kind === kind && each.metadata.name === "hmonitor") as Manifest & {
      readonly spec: Node;
      readonly data: Readonly<Record<string, string>>;
    };
  const { spec } = workload("base", "DaemonSet");
  const [{ env, ports, volumeMounts }] = spec.template.spec.containers;
  expect(found("Service").spec).toEqual({
    selector: spec.selector.matchLabels,
    ports: [{ name: "http", port: 80, targetPort: "metrics" }],
  });
  expect(ports).toContainEqual({ name: "metrics", containerPort: 8080 });
  const [[name, text] = ["", ""]] = Object.entries(found("ConfigMap").data);
  expect(volumeMounts).toContainEqual({ name: "exporter", mountPath: "/etc/hmonitor", readOnly: true });
  expect(env).toContainEqual({ name: "GOHM_EXPORTER_CONFIG", value: `/etc/hmonitor/${name}` });
  expect(loadExporter({}, [{ path: name, text }]).off).toEqual(new Set());
  expect(text.match(/ = true$/gm)).toHaveLength(20);
  expect(loadExporter({}, [{ path: name, text: text.replace("cpu_usage = true", "cpu_usage = false") }]).off).toEqual(
    new Set(["cpu_usage"]),
  );
});

test("a site's overlay sets allowed addresses, images and nodes, and changes nothing else", () => {
  const [base, site] = ["base", "site"].map((variant) => pod(variant, "DaemonSet").containers[0]);
  expect(site?.image).toBe(`registry.example/${base?.image}`);
  const allow = ({ name }: { name: string }): boolean => name === "GOHM_ALLOW";
  expect(site?.env.find(allow)?.value).not.toBe(base?.env.find(allow)?.value);
  expect(unordered({ ...site, image: "", env: site?.env.filter((each) => !allow(each)) })).toEqual(
    unordered({ ...base, image: "", env: base?.env.filter((each) => !allow(each)) }),
  );
  expect(Object.keys(settingsOf("site").servers)).toEqual(["node1", "node2"]);
});

test("the privileged agent has the node's devices, the other one gets them from NVIDIA's runtime", () => {
  const kubelet = "/var/lib/kubelet/pod-resources";
  const [plain] = pod("base", "DaemonSet").containers;
  const [privileged] = pod("privileged", "DaemonSet").containers;
  expect(plain.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(["/host", "/etc/hmonitor", kubelet]);
  expect(plain.env).toContainEqual({ name: "NVIDIA_VISIBLE_DEVICES", value: "all" });
  expect(privileged.volumeMounts.map(({ mountPath }) => mountPath)).toEqual([
    "/host",
    "/etc/hmonitor",
    kubelet,
    "/dev",
  ]);
  expect(privileged.env).toContainEqual({ name: "NVIDIA_VISIBLE_DEVICES", value: "void" });
});

test.each([
  [
    "a field nobody knows",
    (spec: Record<string, unknown>) => Object.assign(spec, { hostPid: true }),
    /has no field hostPid/,
  ],
  [
    "a number for a text",
    (spec: Record<string, unknown>) => Object.assign(spec, { nodeSelector: { a: 1 } }),
    /must be string/,
  ],
  ["no containers", (spec: Record<string, unknown>) => delete spec.containers, /containers is missing/],
  ["an unknown word", (spec: Record<string, unknown>) => Object.assign(spec, { dnsPolicy: "none" }), /must be one of/],
])("the schema refuses %s", (_, spoil, sentence) => {
  const manifest = structuredClone(workload("base", "DaemonSet"));
  spoil(manifest.spec.template.spec as Record<string, unknown>);
  expect(faults("DaemonSet", manifest).join("\n")).toMatch(sentence);
});

function settingsOf(variant: string) {
  const is = ({ kind, metadata: { name } }: Manifest): boolean => kind === "ConfigMap" && name === "gohm";
  const settings = kustomize(join(folder, variant)).find(is) as Manifest & {
    readonly data: Readonly<Record<string, string>>;
  };
  const file = join(mkdtempSync(join(tmpdir(), "gohm-settings-")), "settings.json");
  writeFileSync(file, settings.data["settings.json"] ?? "");
  const read = settle({ flags: { settings: file }, env: {} }, readSettings);
  rmSync(dirname(file), { recursive: true });
  return read;
}

test("the hub understands the settings it is given, and polls nothing until nodes are named", () => {
  expect(settingsOf("base").servers).toEqual({});
});

test("what docs/deploy.md adds for machines that push is valid, and lets them reach the hub's page port alone", () => {
  const [, yaml = ""] =
    /```yaml\n([^`]*gohm-push[^`]*)```/.exec(readFileSync(join(top, "docs/deploy.md"), "utf8")) ?? [];
  const added = parseAllDocuments(yaml).map((document) => document.toJS() as Manifest & { readonly spec: Node });
  expect(added.map(({ kind }) => kind)).toEqual(["Service", "NetworkPolicy"]);
  const hub = workload("site", "StatefulSet").spec;
  for (const each of added) {
    expect(faults(each.kind, each)).toEqual([]);
    expect(each.metadata.namespace).toBe("gohm");
    const { selector, podSelector } = each.spec as { selector?: Node; podSelector?: { matchLabels: Node } };
    expect(hub.template.metadata.labels).toMatchObject(selector ?? podSelector?.matchLabels ?? {});
    expect(JSON.stringify(each.spec)).toContain('"http"');
    expect(JSON.stringify(each.spec)).not.toContain("history");
  }
  expect(hub.template.spec.containers[0].ports.map(({ name }) => name)).toContain("http");
});

test("what docs/security.md adds is valid: the page has a certificate, probes reach it, and the hub may ask a provider", () => {
  const yaml = [...readFileSync(join(top, "docs/security.md"), "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)]
    .map(([, each = ""]) => each)
    .filter((each) => each.includes("apiVersion"));
  const ours = mkdtempSync(join(tmpdir(), "gohm-ours-"));
  try {
    writeFileSync(join(ours, "hub.yaml"), yaml[0] ?? "");
    writeFileSync(join(ours, "out.yaml"), yaml[1] ?? "");
    const resources = [relative(ours, join(folder, "guarded")), "out.yaml"];
    writeFileSync(join(ours, "kustomization.yaml"), JSON.stringify({ resources, patches: [{ path: "hub.yaml" }] }));
    const manifests = kustomize(ours);
    for (const each of manifests) expect(faults(each.kind, each)).toEqual([]);

    const hub = manifests.find(({ kind }) => kind === "StatefulSet") as Workload;
    const { containers, volumes } = hub.spec.template.spec;
    const [{ env, volumeMounts, livenessProbe, readinessProbe }] = containers;
    const set = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    expect(set).toMatchObject({ GOHM_AUTH_READ: "login", GOHM_POLL_TOKEN_FILE: "/etc/gohm-token/token" });
    for (const file of [set.GOHM_HUB_TLS_CERT, set.GOHM_HUB_TLS_KEY]) {
      const mount = volumeMounts.find(({ mountPath }) => mountPath === dirname(file ?? ""));
      expect(mount?.readOnly).toBe(true);
      expect(volumes.find(({ name }) => name === mount?.name)).toMatchObject({ secret: { secretName: "gohm-page" } });
    }
    // As environment of a hub, every name is one of a setting.
    const names = Object.values(hubTable).map(({ env: name }) => name);
    expect(names).toEqual(expect.arrayContaining(["GOHM_HUB_TLS_CERT", "GOHM_HUB_TLS_KEY", "GOHM_AUTH_READ"]));
    // The hub answers these over http, though it has a certificate.
    const served = Object.values(healthRoutes).flatMap(({ path, plain }) => (plain === "served" ? [path] : []));
    for (const probe of [livenessProbe, readinessProbe]) expect(served).toContain(probe?.httpGet?.path);

    const out = manifests.find(({ metadata: { name } }) => name === "gohm-out") as Manifest & { spec: Node };
    const { podSelector } = out.spec as { podSelector: { matchLabels: Node } };
    expect(hub.spec.template.metadata.labels).toMatchObject(podSelector.matchLabels);
  } finally {
    rmSync(ours, { recursive: true });
  }
});

test("every file is part of one of the variants", () => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml"));
  const named = files
    .filter((file) => file.endsWith("kustomization.yaml"))
    .flatMap((file) => {
      const { resources = [], patches = [] } = documents(join(folder, file))[0] as {
        resources?: string[];
        patches?: { path: string }[];
      };
      return [...resources, ...patches.map(({ path }) => path)].map((path) => join(file, "..", path));
    });
  const rest = files.filter((file) => !file.endsWith("kustomization.yaml") && !named.includes(file));
  expect(rest).toEqual([]);
});

/** In any order: kustomize puts what a patch adds before what was there. */
function unordered(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(unordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, each]) => [name, unordered(each)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const major = /Kustomize Version: v(\d+)/.exec(
  spawnSync("kubectl", ["version", "--client"], { encoding: "utf8" }).stdout ?? "",
)?.[1];
const noKubectl = Number(major) >= 5 ? "" : ": there is no kubectl with kustomize 5";
test.skipIf(noKubectl !== "").each(variants)(`kubectl kustomize makes the same of %s${noKubectl}`, (variant) => {
  const { stdout, stderr } = spawnSync("kubectl", ["kustomize", join(folder, variant)], { encoding: "utf8" });
  expect(stderr).toBe("");
  const theirs = parseAllDocuments(stdout).map((document) => document.toJS() as unknown);
  expect(unordered(theirs)).toEqual(unordered(kustomize(join(folder, variant))));
});
