/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";
import { AlertBar } from "./alert_parts.tsx";
import { type ConsoleContext, Csrf, CsrfContext } from "./context.tsx";
import { Keys, sections } from "./keys.tsx";
import { type Notice, takeNotice } from "./notice.ts";
import { type Session, signInHref } from "./session.ts";
import { themeOf, ThemeSwitch } from "./theme.tsx";

export interface PageOptions {
  readonly title: string;
  readonly status?: number;
  readonly notice?: Notice | undefined;
}

const styles = ["uplot", "base", "forms", "parts", "records", "narrow"];
const alertPages = ["/console", "/console/alerts"];

/** A whole page as a response. */
export async function page(c: ConsoleContext, options: PageOptions, content: Child): Promise<Response> {
  const session: Session | undefined = c.get("session");
  const notice = options.notice ?? takeNotice(c);
  const theme = themeOf(c);
  const { pathname, search } = new URL(c.req.url);
  const back = c.req.method === "GET" ? pathname + search : "/console";
  const document = (
    <html lang="en" {...(theme === "system" ? {} : { "data-theme": theme })}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content={theme === "system" ? "light dark" : theme} />
        <title>{`${options.title} · Folio`}</title>
        <link rel="icon" href="/console/assets/icon.svg" type="image/svg+xml" />
        {styles.map((name) => <link rel="stylesheet" href={`/console/assets/${name}.css`} />)}
        <script type="module" src="/console/assets/console.js"></script>
      </head>
      <body
        class={session ? undefined : "alone"}
        {...(c.req.method === "GET" ? {} : { "data-posted": true })}
      >
        <CsrfContext.Provider value={session?.csrf ?? ""}>
          <a class="skip" href="#main">Skip to content</a>
          {session && (
            <header class="side">
              <div class="head">
                <a class="brand" href="/console">
                  <img src="/console/assets/icon.svg" alt="" width="22" height="22" /> Folio
                </a>
                <span id="live" class="live" hidden></span>
              </div>
              <Sections path={pathname} />
              <div class="who">
                <span class="muted" title={session.who}>{session.who}</span>
                <ThemeSwitch theme={theme} back={back} />
                <button type="button" id="show-keys" class="quiet" hidden>
                  Keys <kbd>?</kbd>
                </button>
                <form method="post" action="/console/sign-out">
                  <Csrf />
                  <button type="submit" class="quiet">Sign out</button>
                </form>
              </div>
            </header>
          )}
          <main id="main" tabindex={-1}>
            {session && <AlertBar alerts={c.get("alerts")} isHidden={alertPages.includes(pathname)} />}
            {session && (
              <p id="session-over" class="notice failed" role="alert" hidden>
                Your session is over: this page is not kept up to date.{" "}
                <a href={signInHref(back)}>Sign in again</a>
              </p>
            )}
            <h1>{options.title}</h1>
            {notice && (
              <p class={`notice ${notice.kind}`} role={notice.kind === "failed" ? "alert" : "status"}>
                {notice.text}
              </p>
            )}
            {content}
          </main>
          {session && <Keys />}
        </CsrfContext.Provider>
      </body>
    </html>
  );
  c.header("content-type", "text/html; charset=utf-8");
  return c.body(`<!doctype html>${await document.toString()}`, (options.status ?? 200) as 200);
}

/** The page of a section that has pages elsewhere, too. */
const within: Readonly<Record<string, string>> = { reactors: "projections", alerts: "" };

function Sections({ path }: { path: string }) {
  const section = path.split("/")[2] ?? "";
  const current = `/console/${within[section] ?? section}`.replace(/\/$/, "");
  return (
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
  );
}
