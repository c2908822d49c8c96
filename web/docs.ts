// The pages /docs and /redoc: the hub's own OpenAPI document in Swagger UI and in ReDoc.
import { fetchJson, SignIn } from "./ask.ts";
import { showInRedoc } from "./docs/redoc.ts";
import { type OpenApi, showInSwagger } from "./docs/swagger.ts";
import { pickLanguage, type Tag } from "./locale.ts";

interface Words {
  readonly failed: (reason: string) => string;
  readonly signIn: string;
}

const words: Readonly<Record<Tag, Words>> = {
  en: {
    failed: (reason) => `The description of the interface cannot be shown: ${reason}. Reload this page to try again.`,
    signIn: "A server in front of the hub requires sign-in. Reload this page and sign in.",
  },
  "zh-CN": {
    failed: (reason) => `无法显示接口说明：${reason}。请重新加载页面再试。`,
    signIn: "hub 前面的服务器要求登录，请重新加载页面并登录。",
  },
  "zh-TW": {
    failed: (reason) => `無法顯示介面說明：${reason}。請重新載入頁面再試一次。`,
    signIn: "hub 前面的伺服器要求登入，請重新載入頁面並登入。",
  },
};

/** A choice of the viewer on GOHM's page, as web/choice.ts keeps it: that file would bring the page's messages along. */
function chosen(key: "language" | "theme"): string {
  try {
    return localStorage.getItem(`gohm.${key}`) ?? "";
  } catch {
    return "";
  }
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

function themeNow(): "light" | "dark" {
  const theme = chosen("theme");
  return theme === "dark" || (theme !== "light" && systemDark.matches) ? "dark" : "light";
}

const root = document.documentElement;
const viewer = document.querySelector<HTMLElement>("#viewer");
const message = document.querySelector<HTMLElement>("#message");

function fail(error: unknown): void {
  if (message === null) return;
  const tag = pickLanguage(chosen("language"), navigator.languages);
  const reason = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  message.lang = tag;
  message.textContent = error instanceof SignIn ? words[tag].signIn : words[tag].failed(reason);
  message.hidden = false;
}

/** Marks that everything is on the page. */
const done = (): void => {
  root.dataset.shown = "";
};

async function show(): Promise<void> {
  const spec = (await fetchJson("GET", "openapi.json", undefined, new AbortController().signal)) as OpenApi;
  if (viewer === null) return;
  if (isSwagger) showInSwagger(spec, done);
  else showInRedoc(spec, viewer, first, done);
}

const isSwagger = document.body.className === "swagger";
const first = themeNow();

function paint(): void {
  const theme = isSwagger && paper.matches ? "light" : themeNow();
  // ReDoc is painted once.
  if (!isSwagger && theme !== first) return void location.reload();
  root.dataset.theme = theme;
  root.classList.toggle("dark-mode", theme === "dark");
}

for (const each of [systemDark, paper]) each.addEventListener("change", paint);
paint();
show().catch(fail);
