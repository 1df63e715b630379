/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { countDeadLetters, groupDeadLetters } from "../runtime/browse.ts";
import type { DeadLetterGroup } from "../store/browse.ts";
import { Act, action } from "./action.tsx";
import type { Api, ApiAnswer } from "./api.ts";
import { pathOf } from "./api.ts";
import { errorOf, letterHref, letterPage } from "./dead_letter.tsx";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { ActorLink, num, Table, Text, Time } from "./parts.tsx";

const HOME = "/console/dead-letters";
const PAGE_ITEMS = 100;
const GROUPS_SHOWN = 100;
/** To group ten thousand takes a tenth of a second, in which nothing else is done. */
const GROUPS_MS = 30_000;
/** Of one action; what is more is said to be left. */
const REDRIVEN_MAX = 10_000;
const DISCARDED_MAX = 10_000;
const DISCARDED_AT_ONCE = 100;
const filterNames = ["type", "actor", "command", "error"] as const;
type Filter = Partial<Record<(typeof filterNames)[number], string>>;

/** Messages that used up their attempts, grouped by error; many put back or discarded at once. */
export function deadLetterPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;
  const { deadLetters } = runtime;
  let last: { key: string; at: number; groups: readonly DeadLetterGroup[] } | undefined;

  app.get("/dead-letters", async (c) => {
    const filter = filterOf(c.req.query());
    const after = c.req.query("after") || undefined;
    const total = await countDeadLetters(runtime, filter);
    const [groups, shown] = await Promise.all([
      groupsOf(filter, total, c.req.header("x-folio-live") !== undefined),
      deadLetters.list(filter, { after, limit: PAGE_ITEMS }),
    ]);
    const grouped = groups.reduce((sum, { count }) => sum + count, 0);
    const isFiltered = Object.keys(filter).length > 0;
    const which = isFiltered ? "all of this filter" : "all";
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
            <h2>By error{total > 0 && <span class="muted">, {total} in all</span>}</h2>
            <Table
              caption="Dead letters by error"
              heads={["Error", "Command", num("How many"), "Newest", ""]}
              empty={isFiltered ? "None fits the filter." : "There are none: everything was handled."}
              rows={groups.map(({ error, type, command, count, newestAt }) => [
                <a class="error" href={hrefOf({ type, command, error })}>{error || "unknown"}</a>,
                `${type}/${command}`,
                <a href={hrefOf({ type, command, error })}>{count}</a>,
                <Time at={newestAt} />,
                <div class="acts">
                  <Act to={`${HOME}/redrive`} label="Redrive…" fields={{ type, command, error }} />
                  <Act
                    to={`${HOME}/discard`}
                    label="Discard…"
                    fields={{ type, command, error }}
                    kind="danger"
                  />
                </div>,
              ])}
            />
            {grouped < total && <p class="muted">Only {grouped} of them are grouped here.</p>}
            {groups.length > 1 && (
              <div class="row after">
                <Act to={`${HOME}/redrive`} label={`Redrive ${which}…`} fields={filter} />
                <Act to={`${HOME}/discard`} label={`Discard ${which}…`} fields={filter} kind="danger" />
              </div>
            )}
          </section>
          <section id="letters" data-live>
            <h2>One by one</h2>
            <Table
              caption="Dead letters"
              heads={["Message", "Actor", "Command", num("Attempts"), "Last error", "Since"]}
              empty="None."
              rows={shown.deadLetters.map((letter) => [
                <a class="name" href={letterHref(letter)}>{letter.id}</a>,
                <ActorLink actor={letter.actor} />,
                letter.command || "–",
                <a href={`${letterHref(letter)}#failures`}>{letter.failures.length}</a>,
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

  action(app, console, "/dead-letters/redrive", async (c) => {
    const filter = filterOf(c.get("form"));
    return {
      ...{ name: "redrive-all", target: targetOf(filter), back: HOME },
      ask: (api) => api("POST", "/dead-letters/redrive", { ...filter, limit: REDRIVEN_MAX }),
      done: ({ redriven, passedOver, hasMore }) =>
        `Redriven: ${redriven}${passedOver ? `; left to sagas that have gone on: ${passedOver}` : ""}${
          hasMore ? "; some are left" : ""
        }`,
      confirm: {
        question: `Put ${await many(filter)} back into their mailboxes? They are handled at once.`,
        label: "Redrive all",
      },
    };
  });

  action(app, console, "/dead-letters/discard", async (c) => {
    const filter = filterOf(c.get("form"));
    return {
      ...{ name: "discard-all", target: targetOf(filter), back: HOME },
      ask: (api) => discardAll(api, filter),
      done: ({ discarded, hasMore }) => `Discarded: ${discarded}${hasMore ? "; some are left" : ""}`,
      confirm: {
        question: `Discard ${await many(filter)}? They will never be handled.`,
        label: "Discard all",
      },
    };
  });

  letterPage(app, console);

  /** A page that stays open is kept up to date; as long as their number is the same, they are not grouped again. */
  async function groupsOf(filter: Filter, total: number, isRefresh: boolean) {
    const key = JSON.stringify([total, filter]);
    const now = runtime.clock.now();
    if (!isRefresh || last?.key !== key || now - last.at > GROUPS_MS) {
      const groups = await groupDeadLetters(runtime, { ...filter, limit: GROUPS_SHOWN });
      last = { key, at: now, groups };
    }
    return last.groups;
  }

  /** What a question is about. */
  async function many(filter: Filter): Promise<string> {
    const total = await countDeadLetters(runtime, filter);
    return `${total} dead ${total === 1 ? "letter" : "letters"} (${targetOf(filter)})`;
  }

  /** One by one, as the API does it, but many on their way at a time: they share commits. */
  async function discardAll(api: Api, filter: Filter): Promise<ApiAnswer> {
    let discarded = 0;
    while (discarded < DISCARDED_MAX) {
      // From the start each time: what was discarded is not in the list.
      const { deadLetters: found } = await deadLetters.list(filter, { limit: DISCARDED_AT_ONCE });
      if (found.length === 0) return { isDone: true, status: 200, body: { discarded, hasMore: false } };
      const answers = await Promise.all(
        found.map(({ id, actor }) => api("DELETE", pathOf(["dead-letters", id], { actor }))),
      );
      // One that is gone meanwhile was redriven or discarded by somebody else.
      const refused = answers.find(({ isDone, status }) => !isDone && status !== 404);
      discarded += answers.filter(({ isDone }) => isDone).length;
      if (refused) return refused;
    }
    return { isDone: true, status: 200, body: { discarded, hasMore: true } };
  }
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

function targetOf(filter: Filter): string {
  return Object.entries(filter).map(([name, value]) => `${name} ${value}`).join(", ") || "all";
}
