import { computed, effect } from "@preact/signals";
import { type JSX, render } from "preact";
import { listen } from "./ask.ts";
import { followFeed } from "./feed.ts";
import { followFilter } from "./filter.ts";
import { Frame } from "./frame.tsx";
import { loadLanguage, text } from "./language.ts";
import { pages } from "./page/all.ts";
import { renew, takeOver } from "./renew.ts";
import { address, followAddress, routeAt, takeLinks } from "./route.ts";
import { fleet } from "./store.ts";
import "./style/all.css";
import { paintRoot } from "./theme.ts";
import { followViewer } from "./viewer.ts";
import { wall } from "./wall.ts";

const version = process.env.GOHM_VERSION ?? "";

const route = computed(() => routeAt(pages, address.value));

function Page(): JSX.Element {
  const { row, params } = route.value;
  const { Show, path, needs } = row;
  return (
    <Frame version={version} needs={needs}>
      <Show {...params} key={JSON.stringify([path, params])} />
    </Frame>
  );
}

function title(): string {
  const { row, params } = route.value;
  return [row.title(params), "GOHM"].filter(Boolean).join(" · ");
}

takeOver();
takeLinks();
followFilter();
followAddress((hash) => routeAt(pages, hash).row === pages[0]);
paintRoot(document.documentElement);

const askViewer = followViewer(() => {
  // What the feed sends depends on who receives it.
  fleet.forget();
  following.rest();
  updateConnection();
});

let wasLost = false;
const following = followFeed({
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
    // First: a newer hub may send events in a form that this page cannot read.
    renew(event.page);
    const local = performance.now();
    fleet.take(event, local, local - elapsed);
  },
  change(connection) {
    fleet.connection.value = connection;
    // Whoever must sign in may see nothing, not even what is old.
    if (connection.state === "lost" && connection.reason === "signed-out") fleet.forget();
    // Somebody signed in, in another tab, or a session ended.
    if (connection.state === "live" && wasLost) askViewer();
    wasLost = connection.state === "lost" || (wasLost && connection.state !== "live");
  },
});

setInterval(() => {
  wall.value = Date.now();
  fleet.pass(performance.now());
}, 1000);

/** A hidden tab keeps its connection for so long. */
const hiddenGraceMs = 5000;
let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
const updateConnection = (): void => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(following.rest, hiddenGraceMs);
  else following.wake();
};
document.addEventListener("visibilitychange", () => {
  updateConnection();
  askViewer();
});
addEventListener("pageshow", updateConnection);
addEventListener("pagehide", following.rest);
addEventListener("online", updateConnection);

/** In every language, as none is there. */
const unloaded = "The hub cannot be reached. Trying again. 无法连接 hub，正在重试。無法連線至 hub，正在重試。";

const root = document.getElementById("page");
// Rendering before the language is loaded would flicker.
loadLanguage(() => {
  if (root !== null) root.textContent = unloaded;
}).then(() => {
  effect(() => {
    document.documentElement.lang = text.value.tag;
  });
  effect(() => {
    document.title = title();
  });
  root?.replaceChildren();
  if (root !== null) render(<Page />, root);
});
