import type { ComponentChildren, JSX } from "preact";
import { language, type Theme, theme } from "./choice.ts";
import { languages, text, timeOf } from "./language.ts";
import { Mark } from "./part/part.tsx";
import { outdated, reload } from "./renew.ts";
import { fleetPath } from "./route.ts";
import { fleet } from "./store.ts";
import { wall } from "./wall.ts";

/** Frame of every page: name, connection, language, theme, notices, version. */
export function Frame({ version, children }: { version: string; children: ComponentChildren }): JSX.Element {
  const t = text.value;
  // Before the first event there are no values that could be old.
  const lost = fleet.known.value && fleet.connection.value.state !== "live";
  return (
    <div class={lost ? "frame lost" : "frame"}>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        {t.skip}
      </button>
      <header class="top">
        <a class="brand" href={fleetPath} aria-label={`GOHM: ${t.overview}`}>
          GOHM
        </a>
        <Link />
        <span class="spring" />
        <ThemeButton />
        <select
          class="menu"
          aria-label={t.language}
          value={t.tag}
          onChange={(event) => (language.value = event.currentTarget.value)}
        >
          {languages.map((l) => (
            <option value={l.tag} key={l.tag} lang={l.tag}>
              {l.name}
            </option>
          ))}
        </select>
      </header>
      <Lost />
      <Outdated />
      <Notices />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer class="foot">{t.version(version)}</footer>
    </div>
  );
}

function Link(): JSX.Element | null {
  const t = text.value;
  const { state } = fleet.connection.value;
  if (state === "lost") return null;
  return (
    <span class={`link ${state}`}>
      <i aria-hidden="true" />
      {state === "live" ? t.live : t.opening}
    </span>
  );
}

function Lost(): JSX.Element | null {
  const t = text.value;
  const connection = fleet.connection.value;
  if (connection.state !== "lost") return null;
  const age = t.ago(t.span((wall.value - connection.since) / 1000));
  return (
    <div class="banner broken" role="alert">
      <Mark of="broken" />
      <b>{t.lost(timeOf(connection.since, wall.value), age)}</b>
      <span>{t.lostHint[connection.reason]}</span>
      {connection.reason === "sign-in" ? <LoadAgain /> : null}
    </div>
  );
}

function LoadAgain(): JSX.Element {
  return (
    <button type="button" class="button" onClick={reload}>
      {text.value.loadAgain}
    </button>
  );
}

/** Banner if the page could not load the hub's newer version by itself. */
function Outdated(): JSX.Element | null {
  if (!outdated.value) return null;
  return (
    <output class="banner held">
      <span>
        <Mark of="broken" /> {text.value.outdated}
      </span>
      <LoadAgain />
    </output>
  );
}

function Notices(): JSX.Element | null {
  const t = text.value;
  const notices = fleet.notices.value;
  if (notices.length === 0) return null;
  return (
    <output class="banner held" aria-label={t.notice}>
      {notices.map((notice) => (
        <span key={notice}>
          <Mark of="broken" /> {notice}
        </span>
      ))}
    </output>
  );
}

const themes: readonly Theme[] = ["auto", "light", "dark"];

function ThemeButton(): JSX.Element {
  const t = text.value;
  const name = `${t.theme}: ${t.themes[theme.value]}`;
  const turn = (): void => {
    theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "auto";
  };
  return (
    <button type="button" class="icon-button" aria-label={name} title={name} onClick={turn}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {theme.value === "light" ? (
          <path
            d="M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 .8v2M8 13.200v2M.8 8h2M13.200 8h2M2.900 2.900l1.400 1.400M11.700 11.700l1.400 1.400M2.900 13.100l1.400-1.400M11.700 4.300l1.400-1.400"
            fill="none"
            stroke="currentColor"
            stroke-width="1.5"
            stroke-linecap="round"
          />
        ) : theme.value === "dark" ? (
          <path d="M13.500 9.700A6 6 0 0 1 6.300 2.500a6 6 0 1 0 7.200 7.200z" fill="currentColor" />
        ) : (
          <g>
            <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" />
            <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
          </g>
        )}
      </svg>
    </button>
  );
}
