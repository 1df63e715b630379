/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { Child } from "hono/jsx";
import { type Api, type ApiAnswer, type Refusal, refusalOf, textOf } from "./api.ts";
import { setNotice } from "./notice.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";

/** One thing to be done through the API, and what is said about it. */
export interface Action {
  /** For the audit, e.g. `discard`. */
  readonly name: string;
  /** What it was done to, e.g. `message m-1`. */
  readonly target: string;
  readonly ask: (api: Api) => Promise<ApiAnswer>;
  /** Past tense, for the notice, e.g. `Discarded`. */
  readonly done: string | ((body: ApiAnswer["body"]) => string);
  /** The page to go to. */
  readonly back: string;
  /** Asked before, where it cannot be undone. */
  readonly confirm?: { readonly question: string; readonly label: string; readonly more?: Child };
  /** Shows what the API answered, instead of going back. */
  readonly show?: (body: ApiAnswer["body"]) => Response | Promise<Response>;
  /** Shows a refusal where what was typed in would be lost otherwise. */
  readonly refused?: (refusal: Refusal) => Response | Promise<Response>;
}

type Built = Action | Response;

/** A route that does something; `build` may answer itself where there is nothing to do. */
export function action(
  app: Hono<ConsoleEnv>,
  console: Console,
  path: string,
  build: (c: ConsoleContext) => Built | Promise<Built>,
): void {
  app.post(path, async (c) => {
    const built = await build(c);
    return built instanceof Response ? built : await perform(c, console, built);
  });
}

/** Asks if it has to be, does it, records it, and says what came of it. */
async function perform(c: ConsoleContext, { api, record }: Console, asked: Action): Promise<Response> {
  const { name, target, ask, done, back, confirm, show, refused } = asked;
  if (confirm && c.get("form").confirmed !== "yes") return await confirmPage(c, back, confirm);
  const answer = await ask(api);
  await record(c.get("session").who, name, target, answer.isDone);
  if (answer.isDone && show) return await show(answer.body);
  if (answer.isDone) {
    setNotice(c, { kind: "done", text: typeof done === "string" ? `${done}: ${target}` : done(answer.body) });
    return c.redirect(back, 303);
  }
  const refusal = refusalOf(answer);
  if (refused) return await refused(refusal);
  setNotice(c, { kind: "failed", text: textOf(refusal) });
  return c.redirect(back, 303);
}

function confirmPage(
  c: ConsoleContext,
  back: string,
  { question, label, more }: NonNullable<Action["confirm"]>,
): Promise<Response> {
  const fields = Object.entries(c.get("form")).filter(([name]) => name !== "csrf" && name !== "confirmed");
  return page(
    c,
    { title: "Are you sure?" },
    (
      <section class="card ask">
        <p>{question}</p>
        <form method="post" action={c.req.path + new URL(c.req.url).search}>
          <Csrf />
          {fields.map(([name, value]) => <input type="hidden" name={name} value={value} />)}
          <input type="hidden" name="confirmed" value="yes" />
          {more}
          <div class="row">
            <button type="submit" class="danger">{label}</button>
            <a class="button" href={back}>Cancel</a>
          </div>
        </form>
      </section>
    ),
  );
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
