import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { z } from "zod";

/** Who uses the console, until when. */
export interface Session {
  readonly who: string;
  readonly until: number;
  /** Sent with each form: no page elsewhere knows it. */
  readonly csrf: string;
}

const COOKIE = "folio_console";
const SESSION_MS = 12 * 3_600_000;
const WHO_CHARS_MAX = 64;
const Claims = z.strictObject({ who: z.string().min(1).max(WHO_CHARS_MAX), until: z.number() });

/**
 * Sessions in a signed cookie: nothing is kept here, so they outlive a restart, and end when the token changes.
 *
 * The cookie is HttpOnly and SameSite=Strict; the token itself is in no cookie.
 */
export class Sessions {
  readonly #key: Uint8Array;
  readonly #token: string | undefined;

  constructor(token: string | undefined, private readonly now: () => number) {
    this.#token = token;
    this.#key = token === undefined ? randomBytes(32) : mac(new TextEncoder().encode(token), "folio console");
  }

  get needsToken(): boolean {
    return this.#token !== undefined;
  }

  accepts(token: string): boolean {
    return this.#token !== undefined && isSame(mac(this.#key, token), mac(this.#key, this.#token));
  }

  /** Begins a session, and lets the browser keep it. */
  begin(c: Context, who: string): Session {
    const claims = { who: nameOf(who), until: this.now() + SESSION_MS };
    const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
    const value = `${body}.${this.#sign(`session ${body}`)}`;
    this.#set(c, value, SESSION_MS / 1_000);
    return { ...claims, csrf: this.#sign(`form ${value}`) };
  }

  /** The session that a request is of, if any. */
  of(c: Context): Session | undefined {
    const value = getCookie(c, COOKIE) ?? "";
    const [body = "", signature = ""] = value.split(".");
    if (!isSame(Buffer.from(signature), Buffer.from(this.#sign(`session ${body}`)))) return undefined;
    const claims = Claims.safeParse(JSON.parse(Buffer.from(body, "base64url").toString()));
    if (!claims.success || claims.data.until <= this.now()) return undefined;
    return { ...claims.data, csrf: this.#sign(`form ${value}`) };
  }

  end(c: Context): void {
    this.#set(c, "", 0);
  }

  #set(c: Context, value: string, maxAge: number): void {
    const isSecure = (c.req.header("x-forwarded-proto") ?? new URL(c.req.url).protocol).startsWith("https");
    setCookie(c, COOKIE, value, {
      path: "/console",
      httpOnly: true,
      sameSite: "Strict",
      secure: isSecure,
      maxAge,
    });
  }

  #sign(text: string): string {
    return Buffer.from(mac(this.#key, text)).toString("base64url");
  }
}

/** Who somebody says to be, as it is kept. */
export function nameOf(who: string): string {
  return who.trim().slice(0, WHO_CHARS_MAX).toWellFormed() || "operator";
}

/** Whether a form was sent from a page of this origin, as the browser says, whatever it holds. */
export function isOwnForm(c: Context): boolean {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined) return site === "same-origin";
  // Browsers say nothing more to a plain http address that is not this machine.
  const origin = c.req.header("origin");
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}

/** A page of the console that a form names to go on at; the overview where it names anything else. */
export function ownPath(path: string): string {
  return /^\/console([/?][^\\]*)?$/.test(path) ? path : "/console";
}

/** The sign-in form, and where to go on from there. */
export function signInHref(next: string): string {
  return `/console/sign-in?next=${encodeURIComponent(next)}`;
}

/** Whether two texts are the same, in a time that does not tell where they part. */
export function isSameText(a: string, b: string): boolean {
  return isSame(Buffer.from(a), Buffer.from(b));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

function mac(key: Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}
