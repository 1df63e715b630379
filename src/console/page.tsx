/** @jsxImportSource hono/jsx */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { type Child, createContext, useContext } from "hono/jsx";
import type { ServedRuntime } from "../http/app.ts";
import { type Api, refusalOf } from "./api.ts";
import type { Samples } from "./samples.ts";
import type { Session } from "./session.ts";

/** What pages are made from. */
export interface Console {
  readonly runtime: ServedRuntime;
  readonly api: Api;
  readonly samples: Samples;
  /** Records what somebody did. */
  readonly record: (who: string, action: string, target: string, isDone: boolean) => Promise<void>;
}

export type ConsoleEnv = { Variables: { session: Session; form: Form } };
export type ConsoleContext = Context<ConsoleEnv>;
/** Fields of a posted form; of those with one name, the last. */
export type Form = Readonly<Record<string, string>>;

interface Notice {
  readonly kind: "done" | "failed";
  readonly text: string;
}

const NOTICE = "folio_console_notice";
/** A cookie is 4 KiB at the most. */
const NOTICE_CHARS_MAX = 800;

const CsrfContext = createContext("");

const sections = [
  ["Overview", "/console", "o"],
  ["Dead letters", "/console/dead-letters", "d"],
  ["Actors", "/console/actors", "a"],
  ["Messages", "/console/messages", "m"],
  ["Sagas", "/console/sagas", "s"],
  ["Projections", "/console/projections", "p"],
  ["Time", "/console/time", "t"],
  ["Activities", "/console/activities", "c"],
  ["Webhooks", "/console/webhooks", "w"],
  ["Audit", "/console/audit", "u"],
] as const;

/** A whole page as a response. */
export async function page(
  c: ConsoleContext,
  options: { title: string; status?: number; notice?: Notice | undefined },
  content: Child,
): Promise<Response> {
  const session: Session | undefined = c.get("session");
  const notice = options.notice ?? takeNotice(c);
  const current = c.req.path.split("/").slice(0, 3).join("/");
  const document = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${options.title} · Folio`}</title>
        <link rel="icon" href="/console/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/console/assets/uplot.css" />
        <link rel="stylesheet" href="/console/assets/console.css" />
        <link rel="stylesheet" href="/console/assets/parts.css" />
        <script type="module" src="/console/assets/console.js"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        {session && (
          <header class="side">
            <a class="brand" href="/console">
              <img src="/console/assets/icon.svg" alt="" width="22" height="22" /> Folio
            </a>
            <nav aria-label="Console">
              {sections.map(([name, href, key]) => (
                <a
                  href={href}
                  data-key={key}
                  title={`g then ${key}`}
                  {...(href === current ? { "aria-current": "page" } : {})}
                >
                  {name}
                </a>
              ))}
            </nav>
            <form method="post" action="/console/sign-out" class="who">
              <input type="hidden" name="csrf" value={session.csrf} />
              <span class="muted">{session.who}</span>
              <button type="submit" class="quiet">Sign out</button>
            </form>
          </header>
        )}
        <main id="main" tabindex={-1}>
          <CsrfContext.Provider value={session?.csrf ?? ""}>
            <h1>{options.title}</h1>
            {notice && (
              <p class={`notice ${notice.kind}`} role={notice.kind === "failed" ? "alert" : "status"}>
                {notice.text}
              </p>
            )}
            {content}
          </CsrfContext.Provider>
        </main>
      </body>
    </html>
  );
  return html(c, options.status ?? 200, `<!doctype html>${await document.toString()}`);
}

function html(c: ConsoleContext, status: number, text: string): Response {
  c.header("content-type", "text/html; charset=utf-8");
  return c.body(text, status as 200);
}

/** The hidden field without which no form is taken. */
export function Csrf() {
  return <input type="hidden" name="csrf" value={useContext(CsrfContext)} />;
}

/** A button that does something. */
export function Act(
  { to, label, fields = {}, kind = "" }: {
    to: string;
    label: string;
    fields?: Readonly<Record<string, string>>;
    kind?: "" | "primary" | "danger" | "quiet";
  },
) {
  return (
    <form method="post" action={to} class="act">
      <Csrf />
      {Object.entries(fields).map(([name, value]) => <input type="hidden" name={name} value={value} />)}
      <button type="submit" class={kind}>{label}</button>
    </form>
  );
}

/** One thing to be done through the API, and what is said about it. */
export interface Action {
  readonly method: "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** Past tense, for the notice and the audit, e.g. `Discarded`. */
  readonly done: string | ((body: Readonly<Record<string, unknown>>) => string);
  /** What it was done to, e.g. `message m-1`. */
  readonly target: string;
  readonly name: string;
  /** The page to go to. */
  readonly back: string;
  /** Asked before, where it cannot be undone. */
  readonly confirm?: { readonly question: string; readonly label: string };
  /** Shows a refusal where what was typed in would be lost otherwise. */
  readonly refused?: (refusal: string, status: number) => Response | Promise<Response>;
}

/** Asks if it has to be, does it, records it, and says what came of it. */
export async function perform(
  c: ConsoleContext,
  { api, record }: Console,
  action: Action,
): Promise<Response> {
  const form = c.get("form");
  if (action.confirm && form.confirmed !== "yes") return await confirmPage(c, action, action.confirm);
  const answer = await api(action.method, action.path, action.body);
  await record(c.get("session").who, action.name, action.target, answer.isDone);
  if (!answer.isDone && action.refused) return await action.refused(refusalOf(answer), answer.status);
  const { done } = action;
  setNotice(c, {
    kind: answer.isDone ? "done" : "failed",
    text: !answer.isDone
      ? refusalOf(answer)
      : typeof done === "string"
      ? `${done}: ${action.target}`
      : done(answer.body),
  });
  return c.redirect(action.back, 303);
}

function confirmPage(
  c: ConsoleContext,
  action: Action,
  { question, label }: NonNullable<Action["confirm"]>,
): Promise<Response> {
  const fields = Object.entries(c.get("form")).filter(([name]) => name !== "csrf" && name !== "confirmed");
  return page(
    c,
    { title: "Are you sure?" },
    (
      <section class="card">
        <p>{question}</p>
        <form method="post" action={c.req.path + new URL(c.req.url).search} class="row">
          <Csrf />
          {fields.map(([name, value]) => <input type="hidden" name={name} value={value} />)}
          <input type="hidden" name="confirmed" value="yes" />
          <button type="submit" class="danger">{label}</button>
          <a class="button" href={action.back}>Cancel</a>
        </form>
      </section>
    ),
  );
}

function setNotice(c: ConsoleContext, { kind, text }: Notice): void {
  const clipped = text.length > NOTICE_CHARS_MAX ? `${text.slice(0, NOTICE_CHARS_MAX)}…` : text;
  const value = Buffer.from(JSON.stringify({ kind, text: clipped })).toString("base64url");
  setCookie(c, NOTICE, value, { path: "/console", httpOnly: true, sameSite: "Strict", maxAge: 60 });
}

/** What the last action came to, shown once. */
function takeNotice(c: ConsoleContext): Notice | undefined {
  const value = getCookie(c, NOTICE);
  // A page that is only looked at for its parts is not the one that is read.
  if (value === undefined || c.req.header("x-folio-live") !== undefined) return undefined;
  deleteCookie(c, NOTICE, { path: "/console" });
  try {
    const { kind, text } = JSON.parse(Buffer.from(value, "base64url").toString());
    return { kind: kind === "failed" ? "failed" : "done", text: String(text) };
  } catch {
    return undefined;
  }
}
