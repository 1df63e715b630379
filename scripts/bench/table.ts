/** Prints rows under a title, columns as wide as they need to be; the first one to the left. */
export function printTable(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    )
      .join("  ").trimEnd();
  console.log(`\n${title}\n`);
  for (const row of [header, widths.map((width) => "-".repeat(width)), ...rows]) {
    console.log(`  ${line(row)}`);
  }
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
