import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { size } from "../../../proto/quantity.ts";
import { adminText, text } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { Field } from "../../part/form.tsx";
import { administer, type Node } from "./call.ts";
import { longestSec, secondsOf } from "./interval.ts";
import { momentOf, type Nodes, putNode } from "./nodes.ts";
import { countSelected, isSelected, listed, type Selection, sameSelection, select } from "./selection.ts";

/** What an administrator has chosen and not yet saved. */
interface Draft {
  readonly gpus: Selection<number>;
  readonly disks: Selection<string>;
  readonly nics: Selection<string>;
  /** As typed; "" for the usual interval. */
  readonly interval: string;
  /** Version of the configuration on which it is based. */
  readonly version: number;
}

const draftOf = ({ config, configVersion }: Node): Draft => ({
  gpus: config.gpuIndices,
  disks: config.diskMounts,
  nics: config.nicNames,
  interval: config.reportIntervalSec === null ? "" : String(config.reportIntervalSec),
  version: configVersion,
});

const same = (a: Draft, b: Draft): boolean =>
  sameSelection(a.gpus, b.gpus) &&
  sameSelection(a.disks, b.disks) &&
  sameSelection(a.nics, b.nics) &&
  a.interval.trim() === b.interval.trim();

/** Which GPUs, disks and interfaces of a host are recorded, and how often. */
export function Devices({ node, nodes }: { node: Node; nodes: Nodes }): JSX.Element {
  const t = adminText();
  const draft = useSignal<Draft | undefined>(undefined);
  const wrong = useSignal(false);
  const action = useAction();
  const saved = draftOf(node);
  const held = draft.value ?? saved;
  const dirty = !same(held, saved);
  const change = (part: Partial<Draft>): void => {
    const next = { ...held, ...part };
    // Back where it was: nothing to save, and the form follows the hub again.
    draft.value = same(next, saved) ? undefined : next;
    wrong.value = false;
    action.reset();
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const reportIntervalSec = secondsOf(held.interval);
    wrong.value = reportIntervalSec === undefined;
    if (!dirty || reportIntervalSec === undefined) return;
    const { gpus, disks, nics } = held;
    const body = {
      gpuIndices: gpus && [...gpus],
      diskMounts: disks && [...disks],
      nicNames: nics && [...nics],
      reportIntervalSec,
    };
    action.run(async () => {
      const answer = await administer("configureNode", { name: node.name, body });
      draft.value = undefined;
      putNode(nodes, answer);
      return t.savedAs(answer.configVersion);
    });
  };
  const { gpus, disks, nics } = node.capabilities;
  return (
    <form class="table" onSubmit={save}>
      <h2>{t.devices}</h2>
      <p class="hint">{t.devicesHint}</p>
      <div class="groups">
        <Group
          legend={t.gpus}
          selection={held.gpus}
          devices={gpus.map(({ index, name, memoryTotalMB }) => ({
            id: index,
            name: `${index}`,
            about: [name, memoryTotalMB === undefined ? "" : size(memoryTotalMB * 2 ** 20)],
          }))}
          change={(selection) => change({ gpus: selection })}
        />
        <Group
          legend={text.value.disks}
          selection={held.disks}
          devices={disks.map(({ mount, totalGB }) => ({
            id: mount,
            name: mount,
            about: [totalGB === undefined ? "" : size(totalGB * 2 ** 30)],
          }))}
          change={(selection) => change({ disks: selection })}
        />
        <Group
          legend={text.value.network}
          selection={held.nics}
          devices={nics.map(({ name, ipv4 }) => ({ id: name, name, about: [ipv4] }))}
          change={(selection) => change({ nics: selection })}
        />
        <div class="group">
          <Field
            label={t.interval}
            inputMode="numeric"
            autocomplete="off"
            placeholder={t.usual}
            value={held.interval}
            change={(interval) => change({ interval })}
            hint={t.intervalHint}
            error={wrong.value ? t.intervalWrong(longestSec) : ""}
          />
        </div>
      </div>
      {dirty && held.version !== node.configVersion ? (
        <p class="caution" role="status">
          {t.changedMeanwhile(node.configVersion)}
        </p>
      ) : null}
      <div class={`actions ${dirty ? "unsaved" : ""}`}>
        <ActionButton action={action} kind="main" off={!dirty}>
          {t.save}
        </ActionButton>
        {dirty ? (
          <button type="button" class="button" onClick={() => change(saved)}>
            {t.discard}
          </button>
        ) : null}
        {dirty ? <span class="quiet">{t.unsaved}</span> : null}
        <Outcome of={action} />
        {dirty ? null : <Taken node={node} />}
      </div>
    </form>
  );
}

/** Whether a host that reports by itself has fetched its configuration. */
function Taken({ node: { ways, taken, configVersion } }: { node: Node }): JSX.Element | null {
  const t = adminText();
  if (configVersion === 0) return null;
  if (!ways.includes("push")) return <span class="quiet">{t.inEffect(configVersion)}</span>;
  if (taken === null || taken.version < configVersion) {
    return <span class="word held">{t.notTaken(configVersion, taken?.version)}</span>;
  }
  return <span class="quiet">{t.takenAt(configVersion, momentOf(taken.time))}</span>;
}

interface Device<T> {
  readonly id: T;
  readonly name: string;
  /** Further properties; empty ones are left out. */
  readonly about: readonly string[];
}

interface GroupProps<T> {
  readonly legend: string;
  readonly selection: Selection<T>;
  readonly devices: readonly Device<T>[];
  readonly change: (selection: Selection<T>) => void;
}

function Group<T extends string | number>({ legend, selection, devices, change }: GroupProps<T>): JSX.Element {
  const t = adminText();
  const present = devices.map(({ id }) => id);
  const byId = new Map(devices.map((device) => [device.id, device]));
  const shown = listed(selection, present);
  return (
    <fieldset class="group">
      <legend>
        {legend} <span class="quiet">{t.countOf(countSelected(selection, present), byId.size)}</span>
      </legend>
      <label class="tick all">
        <input
          type="checkbox"
          checked={selection === null}
          onChange={(event) => change(event.currentTarget.checked ? null : [...new Set(present)])}
        />
        <span>{t.allOfThem}</span>
      </label>
      {shown.map((id) => {
        const device = byId.get(id);
        return (
          <label class="tick" key={id}>
            <input
              type="checkbox"
              checked={isSelected(selection, id)}
              onChange={(event) => change(select(selection, id, event.currentTarget.checked, present))}
            />
            <span>
              <b>{device?.name ?? id}</b>{" "}
              <span class="quiet">
                {device === undefined ? t.notThere : device.about.filter((word) => word !== "").join(" · ")}
              </span>
            </span>
          </label>
        );
      })}
      {shown.length === 0 ? <p class="quiet">{t.noneReported}</p> : null}
    </fieldset>
  );
}
