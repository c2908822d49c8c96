import { expect, test } from "vitest";
import { expositionFor } from "../../../program/accept.ts";
import { gzipFor } from "./accept.ts";

test.each([
  [undefined, "text"],
  ["", "text"],
  ["*/*", "text"],
  ["text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text"],
  ["application/json", "text"],
  ["text/plain;version=0.0.4", "text"],
  ["application/openmetrics-text", "openmetrics"],
  ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
  ["APPLICATION/OpenMetrics-Text;Version=1.0.0", "openmetrics"],
  ["application/openmetrics-text;version=2.0.0", "text"],
  ["application/openmetrics-text;q=0", "text"],
  ["application/openmetrics-text;q=banana", "text"],
  ["application/openmetrics-text;q=0.4,text/plain;version=0.0.4;q=0.5", "text"],
  // Prometheus 2.42 and 3.5.
  [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "openmetrics",
  ],
  [
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    "openmetrics",
  ],
  // Prometheus 1 and VictoriaMetrics.
  [
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7,text/plain;version=0.0.4;q=0.3",
    "text",
  ],
])("Accept: %s gets %s", (accept, format) => {
  expect(expositionFor(accept).format).toBe(format);
});

test.each([
  [undefined, false],
  ["*/*", false],
  ["text/html,*/*;q=0.8", false],
  ["text/plain;q=0", false],
  ["text/plain", true],
  ["text/plain;version=0.0.4;q=1,*/*;q=0.1", true],
])("Accept: %s asks for the earlier exporter's types is %s", (accept, typed) => {
  expect(expositionFor(accept)).toEqual({ format: "text", typed });
});

test.each([
  [undefined, false],
  ["", false],
  ["identity", false],
  ["gzip", true],
  ["deflate, GZIP;q=0.5", true],
  ["gzip;q=0", false],
  ["br, *", true],
  ["*;q=0", false],
  ["*, gzip;q=0", false],
])("Accept-Encoding: %s packs is %s", (encoding, expected) => {
  expect(gzipFor(encoding)).toBe(expected);
});
