/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { Issue } from "../core/errors.ts";
import type { MessageRecord } from "../core/message.ts";
import { Act, action } from "./action.tsx";
import { pathOf, type Refusal } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import { ActorLink, Facts, MessageLink, num, Table, Time } from "./parts.tsx";
import { Issues } from "./schema_form.tsx";

const HOME = "/console/dead-letters";

/** One dead letter: what failed, putting it back as it is or edited, discarding it. */
export function letterPage(app: Hono<ConsoleEnv>, console: Console): void {
  const of = (c: ConsoleContext) =>
    console.runtime.deadLetters.get(c.req.param("id") ?? "", c.req.query("actor") || undefined);

  app.get("/dead-letters/:id", async (c) => onePage(c, await of(c)));

  action(app, console, "/dead-letters/:id/redrive", async (c) => {
    const letter = await of(c);
    const text = c.get("form").input ?? textOf(letter);
    const again = (refusal: Refusal) => onePage(c, letter, { text, refusal });
    const read = readJson(text);
    if (read.issue) {
      return await again({ status: 422, reason: "The input is not JSON", issues: [read.issue] });
    }
    const isEdited = text !== textOf(letter);
    const isForced = c.get("form").force === "yes";
    const name = `${isForced ? "force-" : ""}${isEdited ? "edit-redrive" : "redrive"}`;
    return {
      ...{ name, target: targetOf(letter), back: HOME },
      ask: (api) => {
        const path = pathOf(["dead-letters", letter.id, "redrive"], { actor: letter.actor });
        return api("POST", path, { ...isEdited && { input: read.value }, ...isForced && { force: true } });
      },
      ...{ done: "Redriven", refused: again },
    };
  });

  action(app, console, "/dead-letters/:id/discard", async (c) => {
    const letter = await of(c);
    const target = targetOf(letter);
    return {
      ...{ name: "discard", target, done: "Discarded" },
      back: c.get("form").confirmed === "yes" ? HOME : letterHref(letter),
      ask: (api) => api("DELETE", pathOf(["dead-letters", letter.id], { actor: letter.actor })),
      confirm: { question: `Discard ${target}? It will never be handled.`, label: "Discard" },
    };
  });
}

interface Edit {
  readonly text: string;
  readonly refusal: Refusal;
}

function onePage(c: ConsoleContext, letter: MessageRecord, edit?: Edit): Promise<Response> {
  const at = (does: string) => `${HOME}${pathOf([letter.id, does], { actor: letter.actor })}`;
  const text = edit?.text ?? textOf(letter);
  const options = edit
    ? { status: edit.refusal.status, notice: { kind: "failed" as const, text: edit.refusal.reason } }
    : {};
  return page(
    c,
    { title: "Dead letter", ...options },
    (
      <>
        <Facts
          of={[
            ["Message", <MessageLink id={letter.id} actor={letter.actor} />],
            ["Actor", <ActorLink actor={letter.actor} />],
            ["Command", letter.command || "–"],
            ["Enqueued", <Time at={letter.enqueuedAt} />],
            ["Correlation", <span class="name">{letter.correlationId}</span>],
          ]}
        />
        <section id="failures">
          <h2>What failed</h2>
          <Table
            caption="Failures"
            heads={[num("Attempt"), "When", "Error"]}
            empty="Nothing is known of it."
            rows={letter.failures.map(({ attempt, at, error }) => [
              attempt,
              <Time at={at} />,
              <span class="error">{error}</span>,
            ])}
          />
        </section>
        <section class="card">
          <h2>Edit and redrive</h2>
          <form method="post" action={at("redrive")}>
            <Csrf />
            <label>
              Input, as JSON: checked against the schema of the command
              <textarea
                name="input"
                rows={Math.min(24, text.split("\n").length + 1)}
                spellcheck={false}
                {...edit && { "aria-invalid": "true", "aria-describedby": "input-issues" }}
              >
                {text}
              </textarea>
            </label>
            <Issues id="input-issues" issues={edit?.refusal.issues ?? []} />
            <button type="submit" class="primary">Redrive</button>
            {edit?.refusal.code === "saga-gone-on" && (
              <button type="submit" class="danger" name="force" value="yes">Redrive all the same</button>
            )}
          </form>
          {letter.originalInput !== undefined && letter.originalInput !== null && (
            <>
              <h3>As it first came</h3>
              <Json value={letter.originalInput} label="Original input" />
            </>
          )}
        </section>
        <Act to={at("discard")} label="Discard…" kind="danger" />
      </>
    ),
  );
}

/** The input as it is edited. */
function textOf(letter: MessageRecord): string {
  return JSON.stringify(letter.input, null, 2) ?? "";
}

function readJson(text: string): { value?: unknown; issue?: Issue } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { issue: { path: [], message: error instanceof Error ? error.message : String(error) } };
  }
}

/** Why it failed the last time. */
export function errorOf(letter: MessageRecord): string {
  return letter.failures.at(-1)?.error ?? "unknown";
}

function targetOf({ id, actor }: MessageRecord): string {
  return `message ${id} of ${actor}`;
}

export function letterHref({ id, actor }: MessageRecord): string {
  return `${HOME}${pathOf([id], { actor })}`;
}
