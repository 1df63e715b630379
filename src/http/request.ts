import type { Context } from "hono";
import { z } from "zod";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { parseDuration } from "../core/duration.ts";
import { FolioError, issuesOf } from "../core/errors.ts";
import { isWellFormed, nestsDeeperThan } from "../core/json.ts";
import { isMessageId } from "../core/message.ts";
import { parseToken } from "../core/token.ts";
import type { LogStart } from "../runtime/log_start.ts";

/** Everything that is read off a request is read here, once, and refused here if it is not well formed. */

/** What a client sent comes back in a problem's detail, but not by the megabyte. */
const DETAIL_CHARS_MAX = 500;

/** A request that is not well formed, and where. */
export function malformed(name: string, detail: string): FolioError {
  return new FolioError("malformed", detail.slice(0, DETAIL_CHARS_MAX), { name: name.slice(0, 64) });
}

/** The query string as an object; a parameter that is there twice is refused. */
export function readParameters(c: Context): Record<string, string> {
  const values: Record<string, string> = Object.create(null);
  for (const [name, all] of Object.entries(c.req.queries())) {
    if (all.length > 1) throw malformed(name, `Parameter ${name} is there ${all.length} times`);
    values[name] = all[0] ?? "";
  }
  return values;
}

/**
 * The query string as an object. Unknown and repeated parameters are refused: a typing error in a filter
 * must not silently widen what it selects.
 */
export function readQuery<Shape extends z.ZodRawShape>(
  c: Context,
  shape: Shape,
): z.output<z.ZodObject<Shape>> {
  const parsed = z.strictObject(shape).safeParse(readParameters(c));
  if (parsed.success) return parsed.data as z.output<z.ZodObject<Shape>>;
  const [issue] = parsed.error.issues;
  const name = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path[0];
  throw malformed(String(name), `Cannot read the query: ${String(name)}: ${issue?.message}`);
}

/** A message's id in a path. */
export function readMessageId(c: Context): string {
  const id = c.req.param("id") ?? "";
  if (isMessageId(id)) return id;
  throw malformed("id", "A message id is 1 to 255 printable ASCII characters without spaces");
}

/** A page size: at least 1; more than there may be is cut, not refused. */
export function limitParameter(limits: Limits) {
  return z.string().regex(/^[1-9]\d{0,8}$/, "must be a whole number from 1").default("100")
    .transform((text) => Math.min(Number(text), limits.pageItemsMax));
}

/** A whole number from 0. */
export const countParameter = z.string().regex(/^\d{1,15}$/, "must be a whole number from 0").transform(
  Number,
);

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds of a point in time with its zone (RFC 3339), or undefined. */
export function parseTime(text: string): number | undefined {
  const [, year, month, day] = rfc3339.exec(text) ?? [];
  // `Date` takes the 30th of February for the 2nd of March.
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  const at = Number(day) <= days ? Date.parse(text.toUpperCase()) : NaN;
  return Number.isNaN(at) ? undefined : at;
}

/**
 * A place in the log: a time with its zone, or a consistency token.
 *
 * @throws {FolioError} `malformed`.
 */
export function parseLogStart(text: string, shards: number): LogStart {
  const at = parseTime(withPlus(text));
  if (at !== undefined) return { at };
  try {
    return { after: parseToken(text, shards) };
  } catch {
    throw malformed(
      "from",
      `Cannot begin at "${text}": it is no time with its zone, and no token of this store`,
    );
  }
}

/** In a query string a plus sign means a space, and a zone is easily sent with a bare one. */
function withPlus(time: string): string {
  return time.replace(/ (?=\d\d:\d\d$)/, "+");
}

/** A point in time, as milliseconds since the Unix epoch. */
export const timeParameter = z.string().transform((text, context) => {
  const at = parseTime(withPlus(text));
  if (at !== undefined) return at;
  context.addIssue("must be a time with its zone, e.g. 2026-01-31T12:00:00Z");
  return z.NEVER;
});

/** Headers of a command. */
export interface CommandHeaders {
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  readonly traceparent: string | undefined;
  readonly expectedVersion: string | undefined;
  readonly deliverAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** `0`: answer as soon as the message is on disk. */
  readonly waitMs: number;
  /** Whether the client has said how long it will wait. */
  readonly prefersWait: boolean;
  /** For `Preference-Applied` (RFC 7240). */
  readonly isAsync: boolean;
}

/** @param headers All of the request, taken at once: each look-up of one is a call into the server. */
export function readCommandHeaders(headers: HeaderValues, limits: Limits, now: number): CommandHeaders {
  const traceparent = readTraceparent(headers.traceparent);
  const prefer = readPrefer(headers.prefer, limits);
  return {
    messageId: readId("Idempotency-Key", headers["idempotency-key"]),
    correlationId: readId("Folio-Correlation-Id", headers["folio-correlation-id"]) ??
      traceparent?.slice(3, 35),
    traceparent,
    expectedVersion: readIfMatch(headers["if-match"]),
    deliverAt: later(readPoint(headers, deliveryHeaders, limits, now), now),
    expiresAt: readPoint(headers, expiryHeaders, limits, now),
    ...prefer,
  };
}

/** A bare id, or one in quotes as the Idempotency-Key draft of the IETF has it. */
function readId(name: string, header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const id = /^".*"$/.test(header) ? header.slice(1, -1) : header;
  if (isMessageId(id)) return id;
  throw malformed(name, `${name} must be 1 to 255 printable ASCII characters without spaces`);
}

/** As W3C Trace Context asks, one that is not well formed is taken as not there. */
function readTraceparent(header: string | undefined): string | undefined {
  const isValid = header &&
    /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/.test(header);
  return isValid ? header : undefined;
}

/** RFC 7240. Preferences that we do not know are ignored, as it asks. */
function readPrefer(
  header: string | undefined,
  limits: Limits,
): Pick<CommandHeaders, "waitMs" | "prefersWait" | "isAsync"> {
  if (header === undefined) return { waitMs: limits.requestWaitMsMax, prefersWait: false, isAsync: false };
  let isAsync = false;
  let waitMs: number | undefined;
  for (const part of header.split(",")) {
    const [name = "", value] = part.split(";", 1)[0]?.split("=", 2).map((text) => text.trim()) ?? [];
    if (name.toLowerCase() === "respond-async") isAsync = true;
    if (name.toLowerCase() === "wait") {
      const seconds = /^"?(\d{1,9})"?$/.exec(value ?? "")?.[1];
      if (seconds === undefined) throw malformed("Prefer", "Prefer: wait must be a whole number of seconds");
      waitMs = Math.min(Number(seconds) * 1_000, limits.requestWaitMsMax);
    }
  }
  return {
    waitMs: waitMs ?? (isAsync ? 0 : limits.requestWaitMsMax),
    prefersWait: waitMs !== undefined,
    isAsync,
  };
}

/** RFC 9110, 13.1.1: `*`, or strong entity tags. Ours are versions. */
function readIfMatch(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === "*") return header?.trim();
  const versions = header.split(",").map((tag) => /^\s*"(\d{1,15})"\s*$/.exec(tag)?.[1]);
  if (versions.length > 0 && versions.length <= 100 && versions.every((version) => version !== undefined)) {
    return versions.map(Number).join(",");
  }
  throw malformed("If-Match", 'If-Match must be "<version>" in quotes, or *');
}

/** A time that has passed is now. */
function later(at: number | undefined, now: number): number | undefined {
  return at !== undefined && at > now ? at : undefined;
}

/** Two headers for a point in time: how long from now, and when. */
const deliveryHeaders = ["Folio-Delay", "Folio-Deliver-At"] as const;
const expiryHeaders = ["Folio-Expires-After", "Folio-Expires-At"] as const;

function readPoint(
  headers: Readonly<Record<string, string | undefined>>,
  [afterName, atName]: readonly [string, string],
  limits: Limits,
  now: number,
): number | undefined {
  const after = headers[afterName.toLowerCase()];
  const time = headers[atName.toLowerCase()];
  if (after === undefined && time === undefined) return undefined;
  if (after !== undefined && time !== undefined) {
    throw malformed(afterName, `${afterName} and ${atName} exclude each other`);
  }
  const name = after !== undefined ? afterName : atName;
  const at = after !== undefined ? now + (parseDuration(after) ?? NaN) : parseTime(time ?? "") ?? NaN;
  if (Number.isNaN(at)) {
    const form = after !== undefined
      ? "a duration, e.g. 15m"
      : "a time with its zone, e.g. 2026-01-31T12:00:00Z";
    throw malformed(name, `${name} must be ${form}`);
  }
  if (at - now > limits.delayMsMax) {
    throw malformed(name, `${name} must be no more than ${limits.delayMsMax / 86_400_000} days from now`);
  }
  return at;
}

/** Headers of a request by their names, in lower case. */
type HeaderValues = Readonly<Record<string, string | undefined>>;

/** What the reading of a body depends on, beside the body. */
export interface BodyReader {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly isDraining: boolean;
}

/**
 * The body as JSON; an empty one is `{}`. It must say that it is JSON, which no web page can make a browser
 * send to another origin unasked.
 */
export async function readJson(
  c: Context,
  server: BodyReader,
  headers: HeaderValues = c.req.header(),
): Promise<unknown> {
  const { limits } = server;
  const contentType = headers["content-type"];
  if (contentType !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)) {
    throw new FolioError("unsupported-media-type", "Send the body with Content-Type: application/json", {
      contentType: contentType.slice(0, 100),
    });
  }
  const bytes = await readBody(c, server, Number(headers["content-length"] ?? NaN));
  if (bytes.byteLength === 0) return {};
  if (contentType === undefined) {
    throw new FolioError("unsupported-media-type", "Send the body with Content-Type: application/json", {
      contentType: "",
    });
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw malformed("body", "Body is not UTF-8");
  }
  // Depth first: a value that nests without end would not come back from the parsing of its schema.
  if (text.length > 2 * limits.jsonDepthMax && nestsDeeperThan(text, limits.jsonDepthMax)) {
    throw malformed("body", `Body nests deeper than ${limits.jsonDepthMax} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed("body", `Body is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  // Other parsers refuse such a text, and SQLite stores another: readers of the log would part over it.
  if (/\\u[dD][89a-fA-F]/.test(text) && !isWellFormed(value)) {
    throw malformed("body", "Body has half a surrogate pair, which is no character");
  }
  return value;
}

/** A body that fits a schema. @throws {FolioError} `invalid-input`. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new FolioError("invalid-input", "Body does not fit: see issues for where and why", {
    issues: issuesOf(parsed.error),
  });
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The body's bytes, given up when they are too many or too slow.
 *
 * @param declared How many it is said to have; NaN where that is not said.
 */
async function readBody(c: Context, server: BodyReader, declared: number): Promise<Uint8Array> {
  const { payloadBytesMax, bodyReadMsMax } = server.limits;
  if (declared > payloadBytesMax) throw tooLarge(payloadBytesMax);
  const late = Promise.withResolvers<never>();
  let cancelTimer = () => {};
  try {
    // With a length the server holds the client to it, and the body can be taken in one piece.
    const body = Number.isNaN(declared) ? readChunks(c.req.raw.body, payloadBytesMax) : c.req.raw.bytes();
    const here = await arrived(body);
    if (here) return here;
    cancelTimer = server.clock.after(bodyReadMsMax, () => {
      const timeoutMs = bodyReadMsMax;
      late.reject(
        new FolioError("body-timeout", `Body did not arrive within ${timeoutMs} ms`, { timeoutMs }),
      );
    });
    return await Promise.race([body, late.promise]);
  } catch (error) {
    if (error instanceof FolioError) throw error;
    // A server that stops takes no more of a body: that is not its sender's fault.
    if (server.isDraining) throw new FolioError("draining", "This process is stopping", {});
    throw malformed("body", "Body did not arrive whole");
  } finally {
    cancelTimer();
  }
}

/** A body that had arrived whole with its headers, as nearly all do: those need no timer. */
async function arrived(body: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  let bytes: Uint8Array | undefined;
  body.then((all) => bytes = all, () => {});
  for (let turns = 0; turns < 8 && !bytes; turns++) await undefined;
  return bytes;
}

/** A body of unknown length, counted as it comes. */
async function readChunks(stream: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.byteLength;
    if (length > bytesMax) throw tooLarge(bytesMax);
    chunks.push(new Uint8Array(chunk));
  }
  return new Blob(chunks).bytes();
}

function tooLarge(bytesMax: number): FolioError<"payload-too-large"> {
  return new FolioError("payload-too-large", `Body must be no more than ${bytesMax} bytes`, { bytesMax });
}
