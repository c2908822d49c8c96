import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { language, type Theme, theme } from "./choice.ts";
import { saidIn, saidOf, text, timeOf } from "./language.ts";
import { languages } from "./locale.ts";
import { lazyAdmin } from "./part/lazy.tsx";
import { Mark } from "./part/part.tsx";
import { outdated, reload } from "./renew.ts";
import { address, adminPath, fleetPath, reportsPath } from "./route.ts";
import { fleet } from "./store.ts";
import { viewer } from "./viewer.ts";
import { wall } from "./wall.ts";

const SignInPage = lazyAdmin<{ needs: Needs }>(async () => (await import("./frame/sign-in.tsx")).SignInPage);
const SignInDialog = lazyAdmin<Closable>(async () => (await import("./frame/sign-in.tsx")).SignInDialog);
const AccountPanel = lazyAdmin<Closable>(async () => (await import("./frame/account.tsx")).AccountPanel);

interface Closable {
  readonly close: () => void;
}

/** Right that a page requires. */
type Needs = "open" | "read" | "admin";

interface FrameProps {
  readonly version: string;
  readonly needs: Needs;
  readonly children: ComponentChildren;
}

/** Frame of every page: name, connection, language, theme, account, notices, version. */
export function Frame({ version, needs, children }: FrameProps): JSX.Element {
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
        {viewer.value?.reports ? (
          <a class="button reports-link" href={reportsPath} aria-label={t.reports} title={t.reports}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M1 15h14M3 12V8m5 4V2m5 10V5" fill="none" stroke="currentColor" stroke-width="2" />
            </svg>
            <span>{t.reports}</span>
          </a>
        ) : null}
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
        <Account />
      </header>
      <Lost />
      <Outdated />
      <Notices />
      <main id="main" tabIndex={-1}>
        <Gate needs={needs}>{children}</Gate>
      </main>
      <footer class="foot">{t.version(version)}</footer>
    </div>
  );
}

/** The page, or the sign-in in its place if the viewer lacks the right to it. */
function Gate({ needs, children }: Pick<FrameProps, "needs" | "children">): JSX.Element {
  const who = viewer.value;
  if (who !== undefined && !who.rights.includes(needs)) return <SignInPage needs={needs} />;
  if (who === undefined && needs === "admin") return <p class="empty">{text.value.loading}</p>;
  if (who === undefined && needs === "read" && isSignedOut()) return <SignInPage needs={needs} />;
  return <>{children}</>;
}

function isSignedOut(): boolean {
  const connection = fleet.connection.value;
  return connection.state === "lost" && connection.reason === "signed-out";
}

/** Sign-in, or the menu of the account, beside what an administrator must not miss: hosts that wait. */
function Account(): JSX.Element | null {
  const t = text.value;
  const open = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  const who = viewer.value;
  const close = (): void => {
    open.value = false;
  };
  // Following one of its links closes the menu.
  useEffect(close, [address.value, who?.name]);
  useEffect(() => {
    const outside = ({ target }: Event): void => {
      if (target instanceof Node && !ref.current?.contains(target)) close();
    };
    const leave = ({ key, target }: KeyboardEvent): void => {
      // A dialog closes by itself.
      if (key !== "Escape" || !open.peek() || (target instanceof Element && target.closest("dialog"))) return;
      close();
      ref.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", leave);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", leave);
    };
  }, []);
  if (who === undefined) return null;
  const name = who.name;
  const label = name === null ? t.signIn : t.account(name);
  const waiting = who.waiting ?? 0;
  return (
    <>
      {waiting === 0 ? null : (
        <a class="waiting" href={adminPath} aria-label={t.waiting(waiting)} title={t.waiting(waiting)}>
          <span class="long">{t.waiting(waiting)}</span>
          <span class="short">{waiting}</span>
        </a>
      )}
      <div class="account" ref={ref}>
        <button
          type="button"
          class="button"
          aria-label={label}
          title={label}
          {...(name !== null && { "aria-expanded": open.value })}
          onClick={() => (open.value = !open.value)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path
              d="M8 1.500a3.200 3.200 0 1 1 0 6.400 3.200 3.200 0 0 1 0-6.400M1.800 14.500a6.200 5.200 0 0 1 12.400 0z"
              fill="currentColor"
            />
          </svg>
          <span>{name ?? t.signIn}</span>
        </button>
        {!open.value ? null : name === null ? <SignInDialog close={close} /> : <AccountPanel close={close} />}
      </div>
    </>
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
  // Without a sign-in nothing is shown that could be old.
  if (connection.state !== "lost" || connection.reason === "signed-out") return null;
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
      {notices.map(({ words, sentence }) => (
        <span key={words}>
          <Mark of="broken" /> {saidIn("notices", saidOf(sentence), words)}
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
