import { computed, effect } from "@preact/signals";
import { type JSX, render } from "preact";
import { listen } from "./ask.ts";
import { follow } from "./feed.ts";
import { speak, text } from "./language.ts";
import { pages } from "./page/all.ts";
import { Frame } from "./page/frame.tsx";
import { renew, takeOver } from "./renew.ts";
import { address, followAddress, routeAt } from "./route.ts";
import { fleet } from "./store.ts";
import "./style/all.css";
import { paintRoot } from "./theme.ts";
import { wall } from "./wall.ts";

const version = process.env.GOHM_VERSION ?? "";

const route = computed(() => routeAt(pages, address.value));

function Page(): JSX.Element {
  const { row, params } = route.value;
  const { Show, path } = row;
  return (
    <Frame version={version}>
      <Show {...params} key={JSON.stringify([path, params])} />
    </Frame>
  );
}

function title(): string {
  const { row, params } = route.value;
  return [row.title(params), "GOHM"].filter(Boolean).join(" · ");
}

takeOver();
followAddress((hash) => routeAt(pages, hash).row === pages[0]);
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
