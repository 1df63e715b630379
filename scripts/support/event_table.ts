import type { RecordedEvent } from "../../src/core/event.ts";
import { printable } from "./script.ts";

const headings = ["TIME", "POSITION", "ACTOR", "VERSION", "TYPE", "PAYLOAD"];
/** Of the columns before the payload, so that few later rows stand out of line. */
const widthsMin = [24, 8, 16, 7, 12];
/** A payload keeps so much room, however narrow the terminal. */
const PAYLOAD_CHARS_MIN = 12;

/**
 * Lays out events as lines of a table, one by one: columns grow with what has been seen, since nobody waits
 * for the whole log to know their widths.
 */
export class EventTable {
  readonly #widths = [...widthsMin];

  /** @param charsMax Of a line, what is over being cut from the payload; Infinity for all of it. */
  constructor(private readonly charsMax: number) {}

  heading(): string {
    return this.#line(headings);
  }

  row(event: RecordedEvent): string {
    return this.#line([
      new Date(event.at).toISOString(),
      `${event.shard}.${event.position}`,
      event.actor,
      String(event.version),
      event.type,
      JSON.stringify(event.payload),
    ]);
  }

  #line(cells: readonly string[]): string {
    const shown = cells.map(printable);
    const payload = shown.pop() ?? "";
    for (const [index, cell] of shown.entries()) {
      this.#widths[index] = Math.max(this.#widths[index] ?? 0, cell.length);
    }
    const before = shown.map((cell, index) => cell.padEnd(this.#widths[index] ?? 0)).join("  ") + "  ";
    return before + shorten(payload, Math.max(this.charsMax - before.length, PAYLOAD_CHARS_MIN));
  }
}

function shorten(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  // Not in the middle of a character that is made of two.
  return `${text.slice(0, charsMax - 1).toWellFormed().replace(/\uFFFD$/, "")}…`;
}
