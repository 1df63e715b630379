import type { Limits } from "../config.ts";
import { parseDuration } from "../core/duration.ts";
import { isMessageId } from "../core/message.ts";
import { type HeaderValues, malformed, parseTime } from "./request.ts";

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
  headers: HeaderValues,
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
