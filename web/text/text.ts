import type { Throttle } from "../../proto/gen/host_pb.js";
import type { CardFault, Verdict } from "../../proto/verdict.ts";
import type { LossReason } from "../feed.ts";

/** All texts of the page in one language. A language without one of them does not compile. */
export interface Text {
  /** BCP 47 tag, for the page's lang attribute. */
  readonly tag: string;
  /** Name of the language in the language. */
  readonly name: string;

  readonly verdict: Readonly<Record<Verdict, string>>;
  readonly verdictHint: Readonly<Record<Verdict, string>>;
  readonly freeRule: (percent: number, share: number, floor: string) => string;
  readonly freeOf: (cards: number) => string;
  readonly noCardsAnywhere: string;
  /** Machines with cards wait for approval. */
  readonly noCardsApproved: string;
  readonly freeWere: (cards: number) => string;
  readonly noneFree: (total: number) => string;
  readonly ofTotal: (total: number) => string;
  readonly freeCards: string;
  readonly heldBy: string;
  readonly trouble: string;
  readonly noTrouble: string;
  readonly noHolders: string;
  readonly more: (n: number) => string;
  readonly fewer: string;
  readonly copy: (command: string) => string;
  readonly copied: string;
  readonly cards: (n: number) => string;
  readonly hosts: (n: number) => string;
  readonly idleCards: (n: number) => string;
  readonly hostsShown: (shown: number, all: number) => string;
  readonly nothingFits: string;
  readonly clearFilter: string;

  readonly all: string;
  readonly mine: string;
  readonly whoAmI: string;
  readonly choose: string;
  readonly search: string;
  readonly searchHint: string;
  readonly show: string;
  readonly sort: string;
  readonly byName: string;
  readonly byFree: string;
  readonly view: string;
  readonly rows: string;
  readonly heat: string;
  readonly heatHint: string;
  readonly onlyUser: (user: string) => string;

  readonly theme: string;
  readonly themes: Readonly<Record<"auto" | "light" | "dark", string>>;
  readonly language: string;
  readonly overview: string;
  readonly skip: string;
  readonly close: string;
  readonly signIn: string;
  /** Button of the menu of an account. */
  readonly account: (name: string) => string;
  readonly administration: string;
  readonly reports: string;
  /** Hosts that wait for approval. */
  readonly waiting: (n: number) => string;
  readonly version: (version: string) => string;

  readonly loading: string;
  /** A part of the page could not be loaded. */
  readonly partFault: (reason: string) => string;
  readonly loadAgain: string;
  /** The hub has a newer version of the page. */
  readonly outdated: string;
  readonly noHosts: string;
  readonly noHostsHint: string;
  readonly live: string;
  readonly lost: (time: string, age: string) => string;
  readonly lostHint: Readonly<Record<LossReason, string>>;
  readonly opening: string;
  readonly notice: string;

  readonly unreachableSince: (age: string) => string;
  /** A host that never reports live. */
  readonly historyOnly: string;
  readonly neverReached: string;
  readonly waits: string;
  readonly waitsHint: string;
  readonly late: (age: string) => string;
  readonly connecting: string;
  readonly lastKnown: string;
  readonly lastKnownFrom: (age: string) => string;
  readonly seen: (age: string) => string;
  readonly ago: (age: string) => string;
  readonly up: (age: string) => string;
  readonly driver: (version: string) => string;
  readonly cuda: (version: string) => string;
  readonly span: (seconds: number) => string;
  /** `orLonger`: the beginning was not observed. */
  readonly idleFor: (age: string, orLonger: boolean) => string;
  /** A card that is divided into instances. */
  readonly divided: string;
  readonly noProcess: string;
  /** A process that is not visible from the agent's container. */
  readonly elsewhere: string;
  /** Graphics integrated in a processor, which are not counted. */
  readonly integrated: string;
  /** Host memory of a process, after its device memory. */
  readonly hostPart: (size: string) => string;
  readonly memoryShared: string;
  readonly processesUnknown: string;
  /** A card that the system powered down. */
  readonly asleep: string;
  readonly times: (n: number) => string;
  readonly list: (words: readonly string[]) => string;

  readonly fault: (fault: CardFault) => string;
  readonly slowed: (reasons: string) => string;
  readonly throttle: Readonly<Record<Throttle, string>>;
  readonly sourceFault: (source: string) => string;
  readonly diskFull: (mount: string, percent: number) => string;
  readonly mountHangs: (mount: string) => string;
  readonly card: (name: string) => string;
  readonly onCard: (name: string, words: string) => string;

  readonly model: string;
  readonly state: string;
  readonly utilization: string;
  readonly memory: string;
  /** Memory of the host, in languages with a different word for it. */
  readonly hostMemory: string;
  readonly temperature: string;
  readonly power: string;
  readonly fan: string;
  readonly processes: string;
  readonly cpu: string;
  readonly load: string;
  readonly network: string;
  readonly disks: string;
  readonly disk: string;
  readonly iowait: string;
  readonly swap: string;
  readonly threads: (n: number) => string;
  readonly receive: string;
  readonly transmit: string;

  readonly back: string;
  readonly unknownHost: (name: string) => string;
  readonly address: string;
  readonly group: string;
  readonly labels: string;
  readonly os: string;
  readonly kernel: string;
  readonly uptime: string;
  readonly agent: string;
  readonly answered: string;
  readonly clocks: string;
  readonly clockSm: string;
  readonly clockMemory: string;
  readonly memoryUse: string;
  readonly limits: string;
  readonly noLimits: string;
  readonly ecc: string;
  readonly eccCount: (corrected: string, uncorrected: string) => string;
  readonly xid: string;
  readonly xidCount: (count: number, code: number, time: string) => string;
  readonly pid: string;
  readonly user: string;
  readonly command: string;
  readonly started: string;
  readonly mount: string;
  readonly fileSystem: string;
  readonly used: string;
  readonly size: string;
  readonly available: string;
  readonly readOnly: string;
  readonly nic: string;
  readonly down: string;
  readonly addresses: string;
  readonly speed: string;
  readonly sources: string;
  readonly sourceStates: Readonly<Record<"ok" | "stale" | "hung" | "lost" | "unsupported" | "unknown", string>>;
  readonly took: string;
  readonly reader: string;
  readonly noCards: string;

  readonly history: string;
  readonly range: string;
  readonly ranges: Readonly<Record<"15m" | "1h" | "6h" | "24h" | "3d" | "10d" | "30d" | "1y" | "all", string>>;
  readonly noHistory: string;
  readonly historyFault: (reason: string) => string;
  readonly shownOf: (shown: number, all: number) => string;
  /** Interfaces with the most traffic. */
  readonly busiest: string;
  /** Note on a chart that draws received traffic above the axis and transmitted below. */
  readonly sides: string;
  readonly band: string;
  readonly toggle: (name: string) => string;
}
