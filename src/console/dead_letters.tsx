/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { MessageRecord } from "../core/message.ts";
import { pathOf } from "./api.ts";
import { Act, type Console, type ConsoleContext, type ConsoleEnv, Csrf, page, perform } from "./page.tsx";
import { ActorLink, Facts, Json, MessageLink, Table, Text, Time } from "./parts.tsx";

const HOME = "/console/dead-letters";
const PAGE_ITEMS = 100;
const filterNames = ["type", "actor", "command", "error"] as const;
type Filter = Partial<Record<(typeof filterNames)[number], string>>;

/** Messages that used up their attempts: grouped by error, looked at, edited and put back, discarded. */
export function deadLetterPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { deadLetters, limits } = console.runtime;

  app.get("/dead-letters", async (c) => {
    const filter = filterOf(c.req.query());
    const after = c.req.query("after") || undefined;
    const [all, shown] = await Promise.all([
      deadLetters.list(filter, { limit: limits.pageItemsMax }),
      deadLetters.list(filter, { after, limit: PAGE_ITEMS }),
    ]);
    const groups = groupsOf(all.deadLetters);
    const isFiltered = Object.keys(filter).length > 0;
    return await page(
      c,
      { title: "Dead letters" },
      (
        <>
          <form class="row filter" role="search">
            <Text name="type" label="Actor type" value={filter.type} />
            <Text name="actor" label="Actor" value={filter.actor} placeholder="type/key" />
            <Text name="command" label="Command" value={filter.command} />
            <Text name="error" label="Error holds" value={filter.error} />
            <button type="submit">Filter</button>
            {isFiltered && <a class="button quiet" href={HOME}>All</a>}
          </form>
          <section id="groups" data-live>
            <h2>By error</h2>
            <Table
              caption="Dead letters by error"
              heads={["Error", "Command", "How many", "Newest", ""]}
              empty={isFiltered ? "None fits the filter." : "There are none: everything was handled."}
              rows={groups.map(({ error, type, command, count, newestAt }) => [
                <a class="error" href={hrefOf({ type, command, error })}>{error}</a>,
                `${type}/${command}`,
                <a href={hrefOf({ type, command, error })}>{count}</a>,
                <Time at={newestAt} />,
                <Act to={`${HOME}/redrive`} label="Redrive all" fields={{ type, command, error }} />,
              ])}
            />
            {all.next !== undefined && <p class="muted">Of the first {limits.pageItemsMax}.</p>}
          </section>
          <section id="letters" data-live>
            <h2>One by one</h2>
            <Table
              caption="Dead letters"
              heads={["Message", "Actor", "Command", "Attempts", "Last error", "Since"]}
              empty="None."
              rows={shown.deadLetters.map((letter) => [
                <a class="name" href={letterHref(letter)}>{letter.id}</a>,
                <ActorLink actor={letter.actor} />,
                letter.command || "–",
                letter.failures.length,
                <span class="error">{errorOf(letter)}</span>,
                <Time at={letter.failures.at(-1)?.at} />,
              ])}
            />
            {shown.next !== undefined && <a class="button" href={hrefOf(filter, shown.next)}>More</a>}
          </section>
        </>
      ),
    );
  });

  app.post("/dead-letters/redrive", (c) => {
    const filter = filterOf(c.get("form"));
    const target = Object.entries(filter).map(([name, value]) => `${name} ${value}`).join(", ") || "all";
    return perform(c, console, {
      ...{ method: "POST", path: "/dead-letters/redrive", body: { ...filter, limit: 10_000 } },
      ...{ name: "redrive-all", target, back: HOME },
      done: ({ redriven, passedOver, hasMore }) =>
        `Redriven: ${redriven}${passedOver ? `; left to sagas that have gone on: ${passedOver}` : ""}${
          hasMore ? "; some are left" : ""
        }`,
      confirm: {
        question: `Put all dead letters of ${target} back into their mailboxes? They are handled at once.`,
        label: "Redrive all",
      },
    });
  });

  app.get("/dead-letters/:id", async (c) => {
    const letter = await deadLetters.get(c.req.param("id"), c.req.query("actor") || undefined);
    return await letterPage(c, letter);
  });

  app.post("/dead-letters/:id/redrive", async (c) => {
    const letter = await deadLetters.get(c.req.param("id"), c.req.query("actor") || undefined);
    const text = c.get("form").input;
    let body: { input?: unknown } = {};
    if (text !== undefined && text !== JSON.stringify(letter.input, null, 2)) {
      try {
        body = { input: JSON.parse(text) };
      } catch (error) {
        return await letterPage(c, letter, { text, refusal: `Input is not JSON: ${error}`, status: 422 });
      }
    }
    return await perform(c, console, {
      ...{
        method: "POST",
        path: pathOf(["dead-letters", letter.id, "redrive"], { actor: letter.actor }),
        body,
      },
      ...{
        name: body.input === undefined ? "redrive" : "edit-redrive",
        target: targetOf(letter),
        back: HOME,
      },
      done: "Redriven",
      refused: (refusal, status) => letterPage(c, letter, { text: text ?? "", refusal, status }),
    });
  });

  app.post("/dead-letters/:id/discard", async (c) => {
    const letter = await deadLetters.get(c.req.param("id"), c.req.query("actor") || undefined);
    const target = targetOf(letter);
    return await perform(c, console, {
      ...{ method: "DELETE", path: pathOf(["dead-letters", letter.id], { actor: letter.actor }) },
      ...{ name: "discard", target, done: "Discarded", back: HOME },
      confirm: { question: `Discard ${target}? It will never be handled.`, label: "Discard" },
    });
  });
}

function letterPage(
  c: ConsoleContext,
  letter: MessageRecord,
  edit?: { text: string; refusal: string; status: number },
): Promise<Response> {
  const at = (action: string) => `${HOME}${pathOf([letter.id, action], { actor: letter.actor })}`;
  const text = edit?.text ?? JSON.stringify(letter.input, null, 2);
  const options = edit
    ? { status: edit.status, notice: { kind: "failed" as const, text: edit.refusal } }
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
        <section>
          <h2>What failed</h2>
          <Table
            caption="Failures"
            heads={["Attempt", "When", "Error"]}
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
              <textarea name="input" rows={Math.min(24, text.split("\n").length + 1)} spellcheck={false}>
                {text}
              </textarea>
            </label>
            <button type="submit" class="primary">Redrive</button>
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

interface Group {
  readonly error: string;
  readonly type: string;
  readonly command: string;
  count: number;
  newestAt: number;
}

function groupsOf(letters: readonly MessageRecord[]): Group[] {
  const groups = new Map<string, Group>();
  for (const letter of letters) {
    const [type = "", command, error] = [letter.actor.split("/", 1)[0], letter.command, errorOf(letter)];
    const key = JSON.stringify([type, command, error]);
    const group = groups.get(key) ?? { error, type, command, count: 0, newestAt: 0 };
    groups.set(key, group);
    group.count++;
    group.newestAt = Math.max(group.newestAt, letter.failures.at(-1)?.at ?? letter.enqueuedAt);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

function errorOf(letter: MessageRecord): string {
  return letter.failures.at(-1)?.error ?? "unknown";
}

function targetOf({ id, actor }: MessageRecord): string {
  return `message ${id} of ${actor}`;
}

function letterHref({ id, actor }: MessageRecord): string {
  return `${HOME}${pathOf([id], { actor })}`;
}

function hrefOf(filter: Filter, after?: string): string {
  return `/console${pathOf(["dead-letters"], { ...filter, after })}`;
}

/** Filters that are empty are none. */
function filterOf(values: Readonly<Record<string, string | undefined>>): Filter {
  return Object.fromEntries(
    filterNames.flatMap((name) => (values[name] ? [[name, values[name].slice(0, 1_000)]] : [])),
  );
}
