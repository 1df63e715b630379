import { timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { isLoopback } from "../config.ts";
import { FolioError } from "../core/errors.ts";

const encoder = new TextEncoder();

/** Paths that a load balancer may ask for without a token. */
const openPaths = new Set(["/health/live", "/health/ready"]);

/**
 * Lets in what has a readable path, from whoever has the token. Without a token set, only requests that name
 * this machine as their host get in: a web page elsewhere that has its name point here (DNS rebinding) does not.
 * Nor does one that has its reader's browser send what changes something.
 */
export function guard(token: string | undefined): MiddlewareHandler {
  const expected = token === undefined ? undefined : encoder.encode(token);
  return (c, next) => {
    if (c.req.url.includes("%")) checkPercentEncoding(c.req.url);
    if (!openPaths.has(c.req.path)) {
      if (expected) checkToken(c, expected);
      else {
        checkHost(c);
        checkSite(c);
      }
    }
    return next();
  };
}

function checkToken(c: Context, expected: Uint8Array): void {
  // The scheme's case does not matter (RFC 9110, 11.1); the token's does.
  const given = encoder.encode(/^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1]);
  if (given.byteLength === expected.byteLength && timingSafeEqual(given, expected)) return;
  throw new FolioError("unauthorized", "Send Authorization: Bearer <token>", {});
}

/** The host that was let in last: most clients go on to use the same one. */
let knownHost: string | undefined;

/** @throws {FolioError} `forbidden` when a request does not name this machine as its host. */
export function checkHost(c: Context): void {
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  if (host === knownHost) return;
  if (isLoopback(host.replace(/:\d+$/, "").toLowerCase())) {
    knownHost = host;
    return;
  }
  throw new FolioError(
    "forbidden",
    "Without FOLIO_TOKEN only requests to this machine's own name are answered",
    {},
  );
}

/**
 * A browser sends a POST without a body to any origin unasked, and Content-Type says nothing of that: what
 * changes something must not come from a page of elsewhere. Programs send neither header.
 *
 * @throws {FolioError} `forbidden`.
 */
function checkSite(c: Context): void {
  if (c.req.method === "GET" || c.req.method === "HEAD") return;
  const site = c.req.header("sec-fetch-site");
  const isElsewhere = site === undefined ? !isOwnOrigin(c) : site !== "same-origin" && site !== "none";
  if (isElsewhere) {
    throw new FolioError("forbidden", "Without FOLIO_TOKEN pages of other origins change nothing here", {});
  }
}

/** Browsers that say nothing of the site name the page's origin. */
function isOwnOrigin(c: Context): boolean {
  const origin = c.req.header("origin");
  if (origin === undefined) return true;
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** A path that cannot be decoded names nothing; Hono would pass it on as it stands. */
function checkPercentEncoding(url: string): void {
  try {
    decodeURIComponent(url.split("?", 1)[0] ?? "");
  } catch {
    throw new FolioError("malformed", "Path is not valid percent-encoded UTF-8", { name: "path" });
  }
}
