import type { Context } from "hono";
import { z } from "zod";
import type { Limits } from "../config.ts";
import { FolioError } from "../core/errors.ts";
import { isMessageId } from "../core/message.ts";
import { parseToken } from "../core/token.ts";
import type { LogStart } from "../runtime/log_start.ts";

/**
 * Everything that is read off a request is read once, and refused if it is not well formed: what all have in common,
 * and paths and queries, here; headers in `command_headers.ts`; bodies in `body.ts`.
 */

/** Headers of a request by their names, in lower case. */
export type HeaderValues = Readonly<Record<string, string | undefined>>;

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
