/** Words of a User-Agent that name a browser, in the order in which they count: most browsers also name others. */
const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bMicroMessenger\/(\d+)/, "WeChat"],
  [/\bM?QQBrowser\/(\d+)/, "QQ Browser"],
  [/\bEdg(?:A|iOS)?\/(\d+)/, "Edge"],
  [/\bOPR\/(\d+)/, "Opera"],
  [/\bSamsungBrowser\/(\d+)/, "Samsung Internet"],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, "Firefox"],
  [/\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/, "Chrome"],
  [/\bVersion\/(\d+)[\d.]*(?: Mobile\/\w+)? Safari\//, "Safari"],
];

const systems: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bWindows\b/, "Windows"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
];

/** Most characters of a User-Agent that is shown as it is. */
const longest = 60;

/** A browser by its User-Agent: "Firefox 115, Linux", or the beginning of what it says; "" if it says nothing. */
export function browserOf(agent: string): string {
  const [expression, name] = browsers.find(([one]) => one.test(agent)) ?? [];
  if (expression === undefined) return agent.length > longest ? `${agent.slice(0, longest - 1)}…` : agent;
  const version = expression.exec(agent)?.[1] ?? "";
  const system = systems.find(([one]) => one.test(agent))?.[1];
  return system === undefined ? `${name} ${version}` : `${name} ${version}, ${system}`;
}
