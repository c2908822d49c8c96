import { effect } from "@preact/signals";
import { type JSX, render } from "preact";
import { follow, type Stream } from "./feed.ts";
import { text } from "./language.ts";
import { FleetPage } from "./page/fleet.tsx";
import { Frame } from "./page/frame.tsx";
import { lazy } from "./part/lazy.tsx";
import { route } from "./route.ts";
import { fleet } from "./store.ts";
import "./style/base.css";
import "./style/part.css";
import "./style/answer.css";
import "./style/tools.css";
import "./style/card.css";
import "./style/block.css";
import "./style/heat.css";
import "./style/narrow.css";
import "./style/host.css";
import "./style/history.css";
import "./style/print.css";
import { paintRoot } from "./theme.ts";
import { wall } from "./wall.ts";

const HostPage = lazy<{ name: string }>(async () => (await import("./page/host.tsx")).HostPage);

const version = process.env.GOHM_VERSION ?? "";

function Page(): JSX.Element {
  const at = route.value;
  return (
    <Frame version={version}>{at.page === "host" ? <HostPage name={at.name} key={at.name} /> : <FleetPage />}</Frame>
  );
}

function title(): string {
  const at = route.value;
  if (at.page === "host") return `${at.name} · GOHM`;
  const { connection, known, summary } = fleet;
  const live = known.value && connection.value.state === "live";
  return live ? `${summary.value.count.free}/${summary.value.cards} · GOHM` : "GOHM";
}

paintRoot(document.documentElement);
effect(() => {
  document.documentElement.lang = text.value.tag;
});
effect(() => {
  document.title = title();
});

const following = follow({
  open: () => new EventSource("feed") as Stream,
  clock: {
    now: Date.now,
    after(milliseconds, call) {
      const timer = setTimeout(call, milliseconds);
      return () => clearTimeout(timer);
    },
  },
  random: Math.random,
  take: (event) => fleet.take(event, Date.now()),
  change(connection) {
    fleet.connection.value = connection;
  },
});

setInterval(() => {
  wall.value = Date.now();
  fleet.pass(Date.now());
}, 1000);
addEventListener("online", following.wake);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) following.wake();
});

const root = document.getElementById("page");
if (root) render(<Page />, root);
