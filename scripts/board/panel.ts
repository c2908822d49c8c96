// Model of a board, from which Grafana's JSON is written.

/** A text in English and simplified Chinese. */
export type Words = readonly [en: string, zh: string];

export interface Query {
  readonly expr: string;
  /** Name of each series, with labels in {{braces}}. */
  readonly legend?: Words | string;
}

/** A column of a table: a label, or "Value" ("Value #B" for the second query's). Others are left out. */
export interface Column {
  readonly from: string;
  readonly name: Words;
  readonly unit?: string;
}

export interface Panel {
  readonly title: Words;
  readonly about?: Words;
  readonly kind: "stat" | "timeseries" | "table" | "bargauge" | "state-timeline";
  /** Width in columns, of 24. */
  readonly width: number;
  readonly height: number;
  /** Grafana's id of a unit. */
  readonly unit?: string;
  /** Values from which the panel is yellow and red. */
  readonly alarm?: readonly [yellow: number, red: number];
  /** Largest possible value. */
  readonly most?: number;
  readonly stacked?: true;
  readonly columns?: readonly Column[];
  /** Text and colour shown instead of a number. */
  readonly values?: readonly (readonly [value: number, text: Words, color: string])[];
  readonly queries: readonly Query[];
}

export interface Row {
  readonly title: Words;
  readonly panels: readonly Panel[];
}
