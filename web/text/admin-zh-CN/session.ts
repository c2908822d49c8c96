import type { SessionText } from "../admin.ts";

/** Texts of the browsers in which people are signed in. */
export const sessionText: SessionText = {
  byProxy: "你通过 hub 前面的代理登录，请在那里退出登录。",
  signedInWhere: "登录设备",
  noSessions: "没有在任何浏览器中登录。",
  thisBrowser: "当前浏览器",
  unknownBrowser: "未知浏览器",
  signedInFrom: (origin, time) => `${time} 从 ${origin} 登录`,
  signInWays: { password: "使用密码", link: "通过链接", oidc: "通过登录服务" },
  endSessionOf: (browser, origin) => `退出登录：${browser}（${origin}）`,
  sessionEnded: (browser) => `${browser} 已退出登录。`,
  browsers: "登录设备",
  browsersOf: (name) => `${name} 的登录设备`,
};
