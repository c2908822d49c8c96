import type { DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { type GPUInfo, type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { podOf, userOf } from "../../proto/summary.ts";
import { Aliases, type AliasStyle } from "./alias.ts";
import { maskPath, maskText } from "./path.ts";

/**
 * Texts of a report: shown as they are, as a text or path without people, or by an alias that `nameless` has set already. A
 * text that is not listed here is removed: commands, containers, pods, jobs, and whatever is added to the report.
 */
const rules: Readonly<Record<string, "shown" | "text" | "path">> = {
  "HostInfo.id": "shown",
  "HostInfo.ip": "shown",
  "HostInfo.hostname": "shown",
  "HostInfo.err": "text",
  "HostInfo.agentVersion": "shown",
  "SourceInfo.name": "shown",
  "SourceInfo.err": "text",
  "GPUInfo.name": "shown",
  "GPUInfo.uuid": "shown",
  "GPUInfo.pciBusId": "shown",
  "GPUInfo.err": "text",
  "GPUInfo.parent": "shown",
  "GPUInfo.computePartition": "shown",
  "GPUInfo.memoryPartition": "shown",
  "Holder.pod": "shown",
  "ProcInfo.username": "shown",
  "DiskInfo.device": "path",
  "DiskInfo.mount": "path",
  "DiskInfo.fstype": "shown",
  "CpuInfo.model": "shown",
  "NicInfo.name": "shown",
  "NicInfo.addresses": "shown",
  "NicInfo.lower": "shown",
  "SystemInfo.os": "shown",
  "SystemInfo.osVersion": "shown",
  "SystemInfo.kernel": "shown",
  "SystemInfo.bootId": "shown",
  "SystemInfo.driverVersion": "shown",
  "SystemInfo.cudaVersion": "shown",
};

/** Masks the people of one report. */
interface Names {
  /** Undefined if the person has no alias. */
  person(name: string): string | undefined;
  path(path: string): string;
  /** @param paths that the text may contain */
  text(text: string, paths?: readonly string[]): string | undefined;
}

/**
 * Of a machine that nobody has approved. Its names get no aliases: whoever registers one would otherwise learn from the answer
 * whose alias is which.
 */
const stranger: Names = {
  person: () => undefined,
  path: (path) => maskPath(path, () => "?"),
  text: () => undefined,
};

/** Removes people from what is sent to viewers who may not see them. What each of them uses can still be added up. */
export class Mask {
  readonly #names: Names;
  readonly #reports: () => Iterable<HostInfo>;
  readonly #learned = new WeakSet<HostInfo>();

  /** @param reports the last ones of all machines that somebody has approved */
  constructor(style: AliasStyle, now: () => number, reports: () => Iterable<HostInfo>) {
    const aliases = new Aliases(style, now);
    this.#reports = reports;
    const name = (text: string, person: boolean): string => aliases.of(text, person) ?? "?";
    this.#names = {
      person: (text) => aliases.of(text, true),
      path: (path) => maskPath(path, name),
      text: (text, paths) => maskText(text, { name, known: (word) => aliases.ofPerson(word), paths: paths ?? [] }),
    };
  }

  /** Finds the people of all machines: a text of one may name somebody who uses another, and must not depend on what was asked before. */
  learn(): void {
    for (const info of this.#reports()) {
      if (this.#learned.has(info)) continue;
      this.#learned.add(info);
      for (const { procs, holders } of info.gpus) {
        for (const proc of procs) if (proc.username) this.#names.person(proc.username);
        for (const holder of holders) this.#names.person(podOf(holder));
      }
    }
  }

  /** Masks a report in place. @param waiting true if its machine waits for approval */
  report(info: HostInfo, waiting: boolean): void {
    const names = this.#of(waiting);
    // First, as texts of the report may name them.
    for (const gpu of info.gpus) nameless(gpu, names);
    const paths = info.disks.flatMap(({ mount = "", device = "" }) => [mount, device]);
    maskHost(info as unknown as Message, { ...names, text: (text) => names.text(text, paths) });
  }

  /** The alias of a person; "?" if too many people have one. */
  person(name: string): string {
    return this.#names.person(name) ?? "?";
  }

  /** Masks a path or mount point of a machine. @param waiting true if it waits for approval */
  path(path: string, waiting: boolean): string {
    return this.#of(waiting).path(path);
  }

  /** Masks a text about a machine. @param waiting true if it waits for approval */
  text(text: string, waiting: boolean): string {
    return this.#of(waiting).text(text) ?? "";
  }

  #of(waiting: boolean): Names {
    return waiting ? stranger : this.#names;
  }
}

/** Replaces the people of a card by their aliases. */
function nameless({ procs, holders }: GPUInfo, names: Names): void {
  for (const proc of procs) {
    const user = proc.username || proc.uid !== undefined ? userOf(proc) : undefined;
    proc.username = user && names.person(user);
    proc.uid = undefined;
  }
  for (const holder of holders) {
    holder.pod = names.person(podOf(holder)) ?? "?";
    holder.namespace = undefined;
  }
}

type Message = Record<string, unknown>;
type Step = (message: Message, names: Names) => void;

const maskHost = maskerOf(HostInfoSchema);

/** Finds the texts of a message type once, as this runs for every report. */
function maskerOf(schema: DescMessage): Step {
  const steps = schema.fields.flatMap((field): Step[] => {
    const { localName: name } = field;
    if (field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message")) {
      const inner = maskerOf(field.message);
      return [
        (message, names) => {
          const held = message[name];
          if (Array.isArray(held)) for (const item of held) inner(item as Message, names);
          else if (held !== undefined) inner(held as Message, names);
        },
      ];
    }
    if (field.fieldKind === "enum" || field.fieldKind === "map" || field.scalar === undefined) return [];
    if (field.scalar !== ScalarType.STRING && field.scalar !== ScalarType.BYTES) return [];
    const rule = rules[`${schema.name}.${name}`];
    if (rule === "shown") return [];
    const empty = field.fieldKind === "list" ? () => [] : () => undefined;
    return [
      (message, names) => {
        const held = message[name];
        if (held === undefined) return;
        message[name] = typeof held === "string" && rule !== undefined ? names[rule](held) : empty();
      },
    ];
  });
  return (message, names) => {
    for (const step of steps) step(message, names);
  };
}
