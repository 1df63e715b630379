/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import type { ConsoleContext, ConsoleEnv, Form } from "./context.tsx";
import { page } from "./page.tsx";
import { isOwnForm, ownPath, type Sessions } from "./session.ts";

/** What was filled in; line ends as they are elsewhere. */
export async function formOf(c: ConsoleContext): Promise<Form> {
  const form: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(await c.req.parseBody())) {
    if (typeof value === "string") form[name] = value.replaceAll("\r\n", "\n");
  }
  return form;
}

/** The form that the token opens the console with. */
export function signIn(app: Hono<ConsoleEnv>, sessions: Sessions): void {
  const form = (c: ConsoleContext, next: string, refusal?: string) =>
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
            <input name="who" maxlength={64} autocomplete="username" required />
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
    if (!sessions.accepts(token)) return await form(c, next, "That is not the token");
    sessions.begin(c, who);
    return c.redirect(ownPath(next), 303);
  });
}
