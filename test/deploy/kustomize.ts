// The part of kustomize that deploy/kubernetes uses, so that its result can be tested without kubectl.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

export type Node = Readonly<Record<string, unknown>>;

/** A Kubernetes object. */
export interface Manifest extends Node {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Node;
}

interface Kustomization {
  readonly namespace?: string;
  readonly resources?: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly images?: readonly { readonly name: string; readonly newName: string }[];
}

/** Kinds of objects without a namespace. */
const apart = new Set(["Namespace"]);

/** Reads the documents of a YAML file. @throws Error with file and position if it is not valid YAML */
export function documents(file: string): unknown[] {
  return parseAllDocuments(readFileSync(file, "utf8"), { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors[0] !== undefined) throw new Error(`${file}: ${document.errors[0].message}`);
    return document.toJS() as unknown;
  });
}

/** Returns the objects that a folder with a kustomization.yaml makes. */
export function kustomize(folder: string): Manifest[] {
  const [file] = documents(join(folder, "kustomization.yaml"));
  const { namespace, resources = [], patches = [], images = [] } = file as Kustomization;
  const found = resources.flatMap((resource) => {
    const path = join(folder, resource);
    return statSync(path).isDirectory() ? kustomize(path) : (documents(path) as Manifest[]);
  });
  const placed = found.map((each) =>
    namespace === undefined || apart.has(each.kind) ? each : { ...each, metadata: { ...each.metadata, namespace } },
  );
  const patched = patches.reduce((manifests, { path }) => {
    const patch = documents(join(folder, path))[0] as Manifest;
    const same = ({ kind, metadata: { name } }: Manifest): boolean =>
      kind === patch.kind && name === patch.metadata.name;
    if (!manifests.some(same)) throw new Error(`${path} patches an object that does not exist`);
    return manifests.map((each) => (same(each) ? (merge(each, patch) as Manifest) : each));
  }, placed);
  return renamed(patched, new Map(images.map(({ name, newName }) => [name, newName]))) as Manifest[];
}

/** Renames images and keeps their tags. */
function renamed(value: unknown, names: ReadonlyMap<string, string>, field = ""): unknown {
  if (field === "image" && typeof value === "string") {
    const [, name = "", tag = ""] = /^(.*?)(:[^:/]*)?$/.exec(value) ?? [];
    return `${names.get(name) ?? name}${tag}`;
  }
  if (Array.isArray(value)) return value.map((each) => renamed(each, names));
  if (!isNode(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, renamed(each, names, key)]));
}

/** Merge keys of lists by field (x-kubernetes-patch-merge-key of the API). */
const keys: Readonly<Record<string, string>> = {
  containers: "name",
  env: "name",
  volumes: "name",
  volumeMounts: "mountPath",
};

/** Applies a strategic merge patch: null removes a field, lists with a key are merged by it, other lists are replaced. */
function merge(base: unknown, patch: unknown, field = ""): unknown {
  const key = keys[field];
  if (Array.isArray(base) && Array.isArray(patch) && key !== undefined) {
    const matching = (list: unknown[], entry: unknown) =>
      list.find((each) => (each as Node)[key] === (entry as Node)[key]);
    const changed = base.map((each) => merge(each, matching(patch, each) ?? {}));
    return [...changed, ...patch.filter((each) => matching(base, each) === undefined)];
  }
  if (!isNode(base) || !isNode(patch)) return patch;
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = name in base ? merge(base[name], value, name) : value;
  }
  return merged;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value);
