import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Duration, parseDuration } from "../../src/core/duration.ts";
import { parseTime } from "../../src/http/request.ts";
import { UsageError } from "../support/errors.ts";
import { Server } from "../support/server.ts";
import type { Terminal } from "../support/terminal.ts";

/** Options that several commands have, and what their values are read as. */

const DEFAULT_URL = "http://127.0.0.1:8000";

export const dataOption = () => new Option("--data <folder>", "the folder (FOLIO_DATA, or ./data)");
export const urlOption = () =>
  new Option("--url <url>", "a running server instead; it is sent FOLIO_TOKEN, where that is set");
export const modulesOption = () =>
  new Option(
    "--modules <file>",
    "whose default export lists the modules (FOLIO_MODULES, or ./actors/mod.ts)",
  );
export const jsonOption = (what: string) => new Option("--json", what);
export const limitOption = () => new Option("--limit <n>", "at most so many").argParser(wholeFrom1);

/** For commands that only a server can do. */
export const serverOption = () =>
  new Option("--url <url>", "the server; it is sent FOLIO_TOKEN, where that is set").default(DEFAULT_URL);
/** Tells who names a folder why that is of no use. */
export const noDataOption = () =>
  new Option("--data <folder>").hideHelp().argParser((): string => {
    throw new InvalidArgumentError("a running server does this: name it with --url");
  });
/** Tells who names a server why that is of no use. @param why What to do instead. */
export const noUrlOption = (why: string) =>
  new Option("--url <url>").hideHelp().argParser((): string => {
    throw new InvalidArgumentError(why);
  });

/** What says where to look. */
export interface PlaceFlags {
  readonly data?: string | undefined;
  readonly url?: string | undefined;
  readonly modules?: string | undefined;
}

/** The server that is named, if one is. @throws {UsageError} When a folder is named, too. */
export function serverOf({ url, data, modules }: PlaceFlags, terminal: Terminal): Server | undefined {
  if (url === undefined) return undefined;
  if (data !== undefined || modules !== undefined) {
    throw new UsageError("Cannot use --url with --data or --modules: a server has its own");
  }
  return new Server(url, terminal);
}

export function dataOf({ data }: PlaceFlags, terminal: Terminal): string {
  return data ?? terminal.env("FOLIO_DATA") ?? "./data";
}

export function modulesOf({ modules }: PlaceFlags, terminal: Terminal): string {
  return modules ?? terminal.env("FOLIO_MODULES") ?? "./actors/mod.ts";
}

export function wholeFrom1(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("it must be a whole number from 1");
}

export function wholeFrom0(text: string): number {
  if (/^(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  throw new InvalidArgumentError("it must be a whole number from 0");
}

/** A time as milliseconds since the Unix epoch. */
export function time(text: string): number {
  const at = parseTime(text);
  if (at !== undefined) return at;
  throw new InvalidArgumentError("it must be a time with its zone, 2026-01-31T12:00:00Z");
}

/** An actor's name. */
export function actorName(text: string): string {
  if (text.includes("/")) return text;
  throw new InvalidArgumentError("an actor is type/key");
}

/** A value as it is written in JSON. @param name For the message. */
export function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      `Cannot read ${name}: it is not JSON, ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** A length of time. */
export function duration(text: string): Duration {
  if (parseDuration(text) !== undefined) return text as Duration;
  throw new InvalidArgumentError("it must be a duration, 250ms, 30s, 15m, 24h or 7d");
}
