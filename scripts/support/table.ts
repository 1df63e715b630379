import { printable } from "./printable.ts";
import type { Terminal } from "./terminal.ts";

/** A column: its heading, how wide it is at the least, and what an item has in it. */
export type Column<Item> = readonly [
  heading: string,
  charsMin: number,
  cellOf: (item: Item) => string | number | undefined,
];

/** The last column keeps so much room, however narrow the terminal. */
const LAST_CHARS_MIN = 12;

/** Of a list, the items that are waited for, so that its columns fit them. */
const FITTED_ITEMS = 200;

/**
 * Lays out items as lines of a table, one by one: columns grow with what has been seen, since nobody waits for
 * the whole of a long list to know their widths.
 */
export class Table<Item> {
  readonly #widths: number[];

  /** @param charsMax Of a line, what is over being cut from the last column; Infinity for all of it. */
  constructor(private readonly columns: readonly Column<Item>[], private readonly charsMax: number) {
    this.#widths = columns.map(([heading, charsMin]) => Math.max(heading.length, charsMin));
  }

  /** Makes room for items that are to come. */
  fit(items: readonly Item[]): void {
    for (const item of items) this.row(item);
  }

  heading(): string {
    return this.#line(this.columns.map(([heading]) => heading));
  }

  row(item: Item): string {
    return this.#line(this.columns.map(([, , cellOf]) => String(cellOf(item) ?? "-")));
  }

  #line(cells: readonly string[]): string {
    const shown = cells.map(printable);
    const last = shown.pop() ?? "";
    for (const [index, cell] of shown.entries()) {
      this.#widths[index] = Math.max(this.#widths[index] ?? 0, cell.length);
    }
    const before = shown.map((cell, index) => `${cell.padEnd(this.#widths[index] ?? 0)}  `).join("");
    return before + shorten(last, Math.max(this.charsMax - before.length, LAST_CHARS_MIN));
  }
}

/** How a list is printed. */
export interface Listing<Item> {
  readonly isJson: boolean | undefined;
  readonly columns: readonly Column<Item>[];
  /** What is said where there is nothing in it. */
  readonly none: string;
}

/** Prints a list as it comes: a table for people, or a line of JSON an item. */
export async function printList<Item>(
  terminal: Terminal,
  items: AsyncIterable<Item> | Iterable<Item>,
  { isJson, columns, none }: Listing<Item>,
): Promise<void> {
  const table = isJson ? undefined : new Table(columns, terminal.columns ?? Infinity);
  const print = (item: Item) => terminal.print(table ? table.row(item) : JSON.stringify(item));
  const first: Item[] = [];
  let isBegun = false;
  const begin = () => {
    isBegun = true;
    table?.fit(first);
    if (table) terminal.print(first.length > 0 ? table.heading() : none);
    first.forEach(print);
  };
  for await (const item of items) {
    if (isBegun) print(item);
    else if (first.push(item) === FITTED_ITEMS) begin();
  }
  if (!isBegun) begin();
}

function shorten(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  // Not in the middle of a character that is made of two.
  return `${text.slice(0, charsMax - 1).toWellFormed().replace(/\uFFFD$/, "")}…`;
}
