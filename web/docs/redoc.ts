/** Settings of ReDoc 2: https://github.com/Redocly/redoc/blob/v2.5.4/docs/config.md */
interface RedocSettings {
  readonly hideDownloadButtons: boolean;
  readonly nativeScrollbars: boolean;
  readonly theme: object;
}

declare const Redoc: {
  init(document: object, settings: RedocSettings, element: HTMLElement, done: (error?: Error) => void): void;
};

const sans = "inherit";
const mono = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

const typography = {
  fontSize: "15px",
  fontFamily: sans,
  headings: { fontFamily: sans, fontWeight: "600" },
  code: { fontFamily: mono },
};

/** ReDoc has no dark theme of its own. */
const dark = {
  colors: {
    primary: { main: "#9dbcff" },
    success: { main: "#61d19b" },
    warning: { main: "#efbd5c" },
    error: { main: "#ff9088" },
    text: { primary: "#e9eaec", secondary: "#c0c4ca" },
    border: { dark: "#43474d", light: "#2e3136" },
    gray: { 50: "#1a1c1f", 100: "#24272b" },
    responses: {
      success: { color: "#61d19b", backgroundColor: "#15301f" },
      error: { color: "#ff9088", backgroundColor: "#3b1a18" },
      redirect: { color: "#efbd5c", backgroundColor: "#33270f" },
      info: { color: "#8fb2ff", backgroundColor: "#1b2740" },
    },
  },
  schema: { nestedBackground: "#1a1c1f", typeNameColor: "#c0c4ca", typeTitleColor: "#c0c4ca" },
  sidebar: { backgroundColor: "#1a1c1f", textColor: "#e9eaec" },
  rightPanel: { backgroundColor: "#0b0c0d" },
  codeBlock: { backgroundColor: "#1a1c1f" },
  typography: { code: { color: "#ff9088", backgroundColor: "#24272b" } },
};

/** Shows a document in ReDoc. @param done called when it is shown */
export function showInRedoc(document: object, element: HTMLElement, theme: "light" | "dark", done: () => void): void {
  const painted = theme === "dark" ? { ...dark, typography: { ...typography, ...dark.typography } } : { typography };
  const settings = { hideDownloadButtons: true, nativeScrollbars: true, theme: painted };
  Redoc.init(document, settings, element, (error) => {
    if (error !== undefined) throw error;
    done();
  });
}
