import type { SessionText } from "../admin.ts";

/** Texts of the browsers in which people are signed in. */
export const sessionText: SessionText = {
  byProxy: "你透過 hub 前面的代理伺服器登入，請在那裡登出。",
  signedInWhere: "登入裝置",
  noSessions: "沒有在任何瀏覽器中登入。",
  thisBrowser: "目前的瀏覽器",
  unknownBrowser: "未知的瀏覽器",
  signedInFrom: (origin, time) => `${time} 從 ${origin} 登入`,
  signInWays: { password: "使用密碼", link: "透過連結", oidc: "透過登入服務" },
  endSessionOf: (browser, origin) => `登出：${browser}（${origin}）`,
  sessionEnded: (browser) => `${browser} 已登出。`,
  browsers: "登入裝置",
  browsersOf: (name) => `${name} 的登入裝置`,
};
