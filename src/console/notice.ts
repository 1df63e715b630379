import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { ConsoleContext } from "./context.tsx";

/** What an action came to, for the page that is shown next. */
export interface Notice {
  readonly kind: "done" | "failed";
  readonly text: string;
}

const COOKIE = "folio_console_notice";
/** A cookie is 4 KiB at the most. */
const CHARS_MAX = 800;

export function setNotice(c: ConsoleContext, { kind, text }: Notice): void {
  const clipped = text.length > CHARS_MAX ? `${text.slice(0, CHARS_MAX)}…` : text;
  const value = Buffer.from(JSON.stringify({ kind, text: clipped })).toString("base64url");
  setCookie(c, COOKIE, value, { path: "/console", httpOnly: true, sameSite: "Strict", maxAge: 60 });
}

/** What the last action came to, shown once. */
export function takeNotice(c: ConsoleContext): Notice | undefined {
  const value = getCookie(c, COOKIE);
  // A page that is only looked at for its parts is not the one that is read.
  if (value === undefined || c.req.header("x-folio-live") !== undefined) return undefined;
  deleteCookie(c, COOKIE, { path: "/console" });
  try {
    const { kind, text } = JSON.parse(Buffer.from(value, "base64url").toString());
    return { kind: kind === "failed" ? "failed" : "done", text: String(text) };
  } catch {
    return undefined;
  }
}
