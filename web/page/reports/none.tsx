import type { JSX } from "preact";
import { text } from "../../language.ts";
import { type ReportList, reportText } from "./call.ts";

/** What the settings file says of two nodes: one is read from its Netdata, one from the history of this hub. */
const example = `"reports": {
  "nodes": {
    "gpu1": {"netdata": "http://10.0.0.17:19999"},
    "gpu2": {"host": "gpu2"}
  }
}`;

/** In place of a list without reports: when the first one comes, or how they are set up. */
export function NoReports({ list: { configured, time, timezone, nodes } }: { list: ReportList }): JSX.Element {
  const t = reportText();
  const first = <p>{t.first(time, timezone)}</p>;
  return (
    <div class="empty">
      <h1>{t.none}</h1>
      {configured ? (
        <>
          {first}
          <p class="quiet">{text.value.list(nodes)}</p>
        </>
      ) : (
        <>
          <p>{t.setUp}</p>
          <pre>
            <code>{example}</code>
          </pre>
          {first}
        </>
      )}
      <p class="quiet">{t.setUpMore}</p>
    </div>
  );
}
