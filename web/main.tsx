import { effect } from "@preact/signals";
import { type JSX, render } from "preact";
import { listen } from "./ask.ts";
import { follow } from "./feed.ts";
import { speak, text } from "./language.ts";
import { FleetPage } from "./page/fleet.tsx";
import { Frame } from "./page/frame.tsx";
import { lazy } from "./part/lazy.tsx";
import { renew, takeOver } from "./renew.ts";
import { followAddress, route } from "./route.ts";
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
  return live && summary.value.cards > 0 ? `${summary.value.count.free}/${summary.value.cards} · GOHM` : "GOHM";
}

takeOver();
followAddress();
paintRoot(document.documentElement);
effect(() => {
  document.documentElement.lang = text.value.tag;
});
effect(() => {
  document.title = title();
});

const following = follow({
  open: (listener) => listen("feed", listener),
  clock: {
    now: Date.now,
    after(milliseconds, call) {
      const timer = setTimeout(call, milliseconds);
      return () => clearTimeout(timer);
    },
  },
  random: Math.random,
  take(event, elapsed) {
    // Before anything of it is read: it may be in a form that this page does not know.
    renew(event.page);
    const local = performance.now();
    fleet.take(event, local, local - elapsed);
  },
  change(connection) {
    fleet.connection.value = connection;
  },
});

setInterval(() => {
  wall.value = Date.now();
  fleet.pass(performance.now());
}, 1000);

/** Milliseconds after which a page that nobody looks at closes its connection. */
const grace = 5000;
let leaving: ReturnType<typeof setTimeout> | undefined;
const look = (): void => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(following.rest, grace);
  else following.wake();
};
document.addEventListener("visibilitychange", look);
addEventListener("pageshow", look);
addEventListener("pagehide", following.rest);
addEventListener("online", look);

const root = document.getElementById("page");
// A page that spoke English first would flicker.
speak().then(() => root && render(<Page />, root));
