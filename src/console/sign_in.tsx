/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import type { Console, ConsoleContext, ConsoleEnv, Form } from "./context.tsx";
import { Json } from "./json.tsx";
import { page } from "./page.tsx";
import { isOwnForm, nameOf, ownPath, type Sessions, signInHref } from "./session.ts";

/** Wrong tokens that are recorded within a time; of what is more, only how many there were. */
const REFUSALS_MAX = 10;
const REFUSALS_MS = 10 * 60_000;

/** What was filled in; line ends as they are elsewhere. */
export async function formOf(c: ConsoleContext): Promise<Form> {
  const form: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(await c.req.parseBody())) {
    if (typeof value === "string") form[name] = value.replaceAll("\r\n", "\n");
  }
  return form;
}

/** Which wrong tokens are recorded: whoever has none must not be able to fill the log. */
class Refusals {
  #endsAt = 0;
  #recorded = 0;
  #passedOver = 0;

  /** @returns How many were passed over since the last one that was recorded; undefined when this one is, too. */
  next(now: number): number | undefined {
    if (now >= this.#endsAt) [this.#endsAt, this.#recorded] = [now + REFUSALS_MS, 0];
    if (this.#recorded >= REFUSALS_MAX) {
      this.#passedOver++;
      return undefined;
    }
    const passedOver = this.#passedOver;
    this.#recorded++;
    this.#passedOver = 0;
    return passedOver;
  }
}

/** The form that the token opens the console with. Who came, went, or was refused is recorded. */
export function signIn(
  app: Hono<ConsoleEnv>,
  { runtime, record }: Pick<Console, "runtime" | "record">,
  sessions: Sessions,
): void {
  const refusals = new Refusals();
  const form = (c: ConsoleContext, next: string, who = "", refusal?: string) =>
    page(
      c,
      {
        title: "Folio",
        ...(refusal ? { status: 401, notice: { kind: "failed", text: refusal } } : {}),
      },
      (
        <form method="post" action="/console/sign-in" class="card sign-in">
          <input type="hidden" name="next" value={next} />
          <label>
            Your name, for the audit log
            <input name="who" value={who} maxlength={64} autocomplete="username" required />
          </label>
          <label>
            Token
            <input name="token" type="password" autocomplete="current-password" required />
          </label>
          <button type="submit" class="primary">Sign in</button>
        </form>
      ),
    );
  app.get("/sign-in", (c) => {
    if (!sessions.needsToken) return c.redirect("/console", 303);
    return form(c, c.req.query("next") ?? "/console");
  });
  app.post("/sign-in", async (c) => {
    const { who = "", token = "", next = "" } = await formOf(c);
    if (!isOwnForm(c)) throw new FolioError("forbidden", "This form was not sent from the console", {});
    if (!sessions.accepts(token)) {
      const passedOver = refusals.next(runtime.clock.now());
      const others = passedOver ? `, after ${passedOver} more that are not listed` : "";
      if (passedOver !== undefined) await record(nameOf(who), "sign-in", `the console${others}`, false);
      return await form(c, next, who, "That is not the token");
    }
    const session = sessions.begin(c, who);
    await record(session.who, "sign-in", "the console", true);
    return c.redirect(ownPath(next), 303);
  });
}

/** The answer to a form whose session has ended meanwhile: nothing that was typed in is lost. */
export function sessionOver(c: ConsoleContext, form: Form): Promise<Response> {
  const { csrf: _, ...sent } = form;
  const from = c.req.header("referer") ?? "";
  const { pathname, search } = URL.canParse(from) ? new URL(from) : { pathname: "", search: "" };
  return page(
    c,
    { title: "Your session is over", status: 401 },
    (
      <>
        <p class="notice failed" role="alert">
          Nothing was done. <a href={signInHref(ownPath(pathname + search))}>Sign in</a> and send it again.
        </p>
        {Object.keys(sent).length > 0 && (
          <section>
            <h2>What you sent</h2>
            <Json value={sent} label="What you sent" />
          </section>
        )}
      </>
    ),
  );
}
