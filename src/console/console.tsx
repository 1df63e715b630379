/** @jsxImportSource hono/jsx */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { AUDIT_TYPE, auditRequest } from "../core/audit.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { ServedRuntime } from "../http/app.ts";
import { LiveStreams } from "../http/live.ts";
import { statusOf } from "../http/problem.ts";
import { checkHost } from "../http/security.ts";
import { createApi } from "./api.ts";
import { activityPages } from "./activities.tsx";
import { actorPages } from "./actors.tsx";
import { assetRoutes } from "./assets.ts";
import { alertPages } from "./alerts.tsx";
import { auditPages } from "./audit.tsx";
import { deadLetterPages } from "./dead_letters.tsx";
import { eventPages } from "./events.tsx";
import { messagePages } from "./messages.tsx";
import { overviewPages } from "./overview.tsx";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { sagaPages } from "./sagas.tsx";
import { projectionPages } from "./projections.tsx";
import { Samples } from "./samples.ts";
import { timePages } from "./time.tsx";
import { webhookPages } from "./webhooks.tsx";
import { reactorPages } from "./reactors.tsx";
import { isOwnForm, isSameText, Sessions, signInHref } from "./session.ts";
import { formOf, sessionOver, signIn } from "./sign_in.tsx";
import { themeRoute } from "./theme.tsx";

export interface ConsoleOptions {
  /** The token of the API, which also opens the console; without one, only this machine's own browser gets in. */
  readonly token?: string | undefined;
  /** The app of the API: what the console does, it does through it. */
  readonly api: { fetch(request: Request): Response | Promise<Response> };
}

/** Beside what a form may hold as JSON, its other fields. */
const FORM_BYTES_MORE = 65_536;

/**
 * The console, to be served for all paths that begin with `/console`.
 *
 * @example
 * ```ts
 * import { createApp, createConsole, createRuntime } from "folio";
 *
 * await using runtime = await createRuntime({ modules: [], data: ":memory:" });
 * const console = createConsole(runtime, { api: createApp(runtime) });
 * const response = await console.request("http://localhost/console");
 * globalThis.console.assert(response.status === 200);
 * ```
 */
export function createConsole(runtime: ServedRuntime, { token, api }: ConsoleOptions): Hono<ConsoleEnv> {
  const sessions = new Sessions(token, () => runtime.clock.now());
  const samples = new Samples(runtime.metrics, runtime.clock);
  const live = new LiveStreams(runtime.clock, runtime.limits);
  samples.start();
  runtime.draining.subscribe(() => {
    samples.stop();
    live.end();
  });
  const console: Console = {
    runtime,
    samples,
    api: createApi((request) => api.fetch(request), token),
    async record(who, action, target, isDone) {
      const act = { who, action, target: target.slice(0, 2_000), isDone };
      // What was done is done: that it could not be recorded is said in the log.
      if (!runtime.registry.actors.has(AUDIT_TYPE)) return;
      await runtime.send(auditRequest(act)).catch((error) =>
        runtime.log("error", "Action of the console could not be recorded", {
          ...act,
          error: errorMessage(error),
        })
      );
    },
  };
  const app = new Hono<ConsoleEnv>().basePath("/console");
  app.onError((error, c) => failed(error, c, runtime));
  app.use(secureHeaders({
    contentSecurityPolicy: {
      ...{ defaultSrc: ["'none'"], scriptSrc: ["'self'"], styleSrc: ["'self'"], imgSrc: ["'self'"] },
      ...{ connectSrc: ["'self'"], formAction: ["'self'"], baseUri: ["'none'"], frameAncestors: ["'none'"] },
    },
    // With `no-referrer`, browsers would not say which origin a form is from.
    referrerPolicy: "same-origin",
    xFrameOptions: "DENY",
    strictTransportSecurity: false,
  }));
  app.use(async (c, next) => {
    if (!sessions.needsToken) checkHost(c);
    await next();
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  });
  assetRoutes(app);
  const bytesMax = runtime.limits.payloadBytesMax + FORM_BYTES_MORE;
  app.use(bodyLimit({
    maxSize: bytesMax,
    onError() {
      throw new FolioError("payload-too-large", `A form must be no more than ${bytesMax} bytes`, {
        bytesMax,
      });
    },
  }));
  signIn(app, console, sessions);
  app.use(async (c, next) => {
    let session = sessions.of(c);
    if (c.req.method === "POST") {
      const form = await formOf(c);
      const isOwn = isOwnForm(c);
      if (isOwn && !session && sessions.needsToken) return await sessionOver(c, form);
      if (!isOwn || !session || !isSameText(form.csrf ?? "", session.csrf)) {
        throw new FolioError(
          "forbidden",
          "This form was not sent from the console, or from another session of it: load its page again",
          {},
        );
      }
      c.set("form", form);
    } else if (!session) {
      if (sessions.needsToken) {
        const { pathname, search } = new URL(c.req.url);
        return c.redirect(signInHref(pathname + search), 303);
      }
      session = sessions.begin(c, "operator");
    }
    c.set("session", session);
    c.set("alerts", runtime.alerts?.list() ?? []);
    return await next();
  });
  app.post("/sign-out", async (c) => {
    await console.record(c.get("session").who, "sign-out", "the console", true);
    sessions.end(c);
    return c.redirect("/console/sign-in", 303);
  });
  themeRoute(app);
  overviewPages(app, console, live);
  alertPages(app, console);
  deadLetterPages(app, console);
  actorPages(app, console);
  messagePages(app, console);
  eventPages(app, console);
  sagaPages(app, console);
  projectionPages(app, console);
  reactorPages(app, console);
  timePages(app, console);
  activityPages(app, console);
  webhookPages(app, console);
  if (runtime.registry.actors.has(AUDIT_TYPE)) auditPages(app, console);
  app.notFound((c) => {
    if (c.req.path === "/console/") return c.redirect("/console", 303);
    return page(c, { title: "Not found", status: 404 }, <p class="empty">There is no such page.</p>);
  });
  return app;
}

async function failed(error: Error, c: Context<ConsoleEnv>, runtime: ServedRuntime): Promise<Response> {
  if (!(error instanceof FolioError)) {
    runtime.log("error", "Page of the console failed", {
      path: c.req.path.slice(0, 200),
      error: errorMessage(error),
    });
  }
  const text = error instanceof FolioError ? error.message : "Something went wrong here: see the log.";
  return await page(
    c,
    { title: "That did not work", status: statusOf(error) },
    (
      <p class="notice failed" role="alert">{text}</p>
    ),
  );
}
