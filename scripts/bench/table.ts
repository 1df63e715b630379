/** Shows what a part has measured: rows under a title, and what is to be said of them. */
export type Show = (
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  note?: string,
) => void;

/** Rows under a title as lines, columns as wide as they need to be; the first one to the left. */
export function tableText(...[title, header, rows, note = ""]: Parameters<Show>): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    )
      .join("  ").trimEnd();
  const lines = [header, widths.map((width) => "-".repeat(width)), ...rows].map(line);
  const notes = note === "" ? [] : ["", ...note.split("\n")];
  return [`\n${title}\n`, ...[...lines, ...notes].map((text) => `  ${text}`.trimEnd())].join("\n");
}

/** Rows as objects, for machines; a column without a name is `what`. */
export function tableJson(...[title, header, rows, note]: Parameters<Show>) {
  const named = rows.map((row) => Object.fromEntries(row.map((cell, at) => [header[at] || "what", cell])));
  return { title, rows: named, ...(note ? { note } : {}) };
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

export function times(ratio: number): string {
  return `${ratio.toFixed(2)} x`;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

/** A floor beside what was reached. Nothing is asserted: on a busy machine timings say little. */
export function against(isReached: boolean, floor: string): string {
  return `${floor}: ${isReached ? "reached" : "NOT reached"}`;
}
