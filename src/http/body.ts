import type { Context } from "hono";
import type { z } from "zod";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { FolioError, issuesOf } from "../core/errors.ts";
import { isWellFormed, nestsDeeperThan } from "../core/json.ts";
import { draining } from "../runtime/serving.ts";
import { type HeaderValues, malformed } from "./request.ts";

/** What the reading of a body depends on, beside the body. */
export interface BodyReader {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly isDraining: boolean;
}

/**
 * The body as JSON; an empty one is `{}`. It must say that it is JSON, which no web page can make a browser
 * send to another origin unasked.
 *
 * @throws {FolioError} `unsupported-media-type`, `payload-too-large`, `body-timeout`, `malformed`, `draining`.
 */
export async function readJson(
  c: Context,
  server: BodyReader,
  headers: HeaderValues = c.req.header(),
): Promise<unknown> {
  const contentType = headers["content-type"];
  if (contentType !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)) {
    throw unsupported(contentType);
  }
  const bytes = await readBody(c, server, Number(headers["content-length"] ?? NaN));
  if (bytes.byteLength === 0) return {};
  if (contentType === undefined) throw unsupported("");
  return parseJson(bytes, server.limits.jsonDepthMax);
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

function parseJson(bytes: Uint8Array, depthMax: number): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw malformed("body", "Body is not UTF-8");
  }
  // Depth first: a value that nests without end would not come back from the parsing of its schema.
  if (text.length > 2 * depthMax && nestsDeeperThan(text, depthMax)) {
    throw malformed("body", `Body nests deeper than ${depthMax} levels`);
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
    if (server.isDraining) throw draining();
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

function unsupported(contentType: string): FolioError<"unsupported-media-type"> {
  const wanted = "Send the body with Content-Type: application/json";
  return new FolioError("unsupported-media-type", wanted, { contentType: contentType.slice(0, 100) });
}
