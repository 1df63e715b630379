/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { invalidKeyReason } from "../core/message.ts";
import { findActors, findWaiting } from "../runtime/browse.ts";
import { pathOf } from "./api.ts";
import { differences } from "./diff.ts";
import {
  type Console,
  type ConsoleContext,
  type ConsoleEnv,
  Csrf,
  type Form,
  page,
  perform,
} from "./page.tsx";
import { actorHref, ActorLink, Json, MessageLink, Select, Status, Table, Text, Time } from "./parts.tsx";
import { inputOf, SchemaFields } from "./schema_form.tsx";

const HOME = "/console/actors";
const PAGE_ITEMS = 100;
const EVENTS_SHOWN = 25;

/** Actors: found by type and key, their state and past, and commands sent to them. */
export function actorPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;
  const types = [...runtime.registry.actors.keys()].sort();

  app.get("/actors", async (c) => {
    const { type = "", key = "", after } = c.req.query();
    const query = { type, keyPrefix: key, after, limit: PAGE_ITEMS };
    const found = type === "" ? [] : await findActors(runtime, query);
    const last = found.length === PAGE_ITEMS ? found.at(-1) : undefined;
    return await page(
      c,
      { title: "Actors" },
      (
        <>
          <form class="row filter" role="search">
            <Select name="type" label="Type" value={type} options={types} all="choose…" />
            <Text name="key" label="Key begins with" value={key} />
            <button type="submit">Find</button>
            {type !== "" && key !== "" && invalidKeyReason(key) === undefined && (
              <a class="button" href={actorHref(`${type}/${key}`)}>Go to {type}/{key}</a>
            )}
          </form>
          {type === ""
            ? (
              <ul class="plain">
                {types.map((name) => (
                  <li>
                    <a class="button" href={`${HOME}?type=${encodeURIComponent(name)}`}>{name}</a>
                  </li>
                ))}
              </ul>
            )
            : (
              <Table
                caption="Actors"
                heads={["Actor", "Events"]}
                empty="No actor of this type has such a key and events."
                rows={found.map(({ actor, version }) => [
                  <ActorLink actor={actor} />,
                  <a href={`${actorHref(actor)}#events`}>{version}</a>,
                ])}
              />
            )}
          {last && (
            <a class="button" href={`/console${pathOf(["actors"], { type, key, after: last.actor })}`}>
              More
            </a>
          )}
        </>
      ),
    );
  });

  app.get("/actors/:type/:key", (c) => actorPage(c, console));

  app.post("/actors/:type/:key/:command", async (c) => {
    const { type, key, command } = c.req.param();
    const actor = `${type}/${key}`;
    const form = c.get("form");
    const schema = runtime.registry.actor(type, key).commands.get(command)?.input;
    let input: unknown;
    try {
      input = schema ? inputOf(schema, form) : {};
    } catch (error) {
      return await actorPage(c, console, { command, form, refusal: `Not JSON: ${error}`, status: 422 });
    }
    return await perform(c, console, {
      ...{ method: "POST", path: pathOf(["actors", type, key, command]), body: input },
      ...{ name: "send-command", target: `${command} to ${actor}`, back: actorHref(actor) },
      done: ({ reply, version, messageId }) =>
        reply === undefined && version === undefined
          ? `${command} is on its way as message ${messageId}`
          : `${command} is done, version ${version}. Reply: ${JSON.stringify(reply ?? null)}`,
      refused: (refusal, status) => actorPage(c, console, { command, form, refusal, status }),
    });
  });
}

interface Attempt {
  readonly command: string;
  readonly form: Form;
  readonly refusal: string;
  readonly status: number;
}

async function actorPage(c: ConsoleContext, { runtime }: Console, attempt?: Attempt): Promise<Response> {
  const { type = "", key = "" } = c.req.param();
  const actor = `${type}/${key}`;
  const newest = await runtime.state(type, key);
  const version = versionOf(c.req.query("version"), newest.version);
  const against = versionOf(c.req.query("against"), Math.max(0, version - 1));
  const [past, other, events, waiting, timers] = await Promise.all([
    version === newest.version ? newest : runtime.past(type, key, { version }),
    against === 0 ? undefined : runtime.past(type, key, { version: against }),
    version === 0 ? [] : runtime.stream(type, key, {
      after: Math.max(0, version - EVENTS_SHOWN),
      limit: Math.min(version, EVENTS_SHOWN),
    }),
    findWaiting(runtime, { actor, limit: PAGE_ITEMS }),
    runtime.timers({ actor, limit: PAGE_ITEMS }),
  ]);
  const changed = differences(other?.state ?? {}, past?.state ?? {});
  const isPresent = version === newest.version;
  const isSaga = runtime.registry.sagas.has(type);
  const options = attempt
    ? { status: attempt.status, notice: { kind: "failed" as const, text: attempt.refusal } }
    : {};
  return await page(
    c,
    { title: actor, ...options },
    (
      <>
        {isSaga && (
          <p>
            <a href={`/console/sagas${pathOf([type, key])}`}>This is an instance of the saga {type}</a>
          </p>
        )}
        {newest.version > 0 && (
          <form class="card" action={actorHref(actor)}>
            <label>
              Version
              <input type="range" name="version" min={1} max={newest.version} value={String(version)} />
            </label>
            <div class="row">
              <span>
                <output>{version}</output> of {newest.version}
              </span>
              <label>
                Compare with<input
                  name="against"
                  value={c.req.query("against") ?? ""}
                  placeholder={String(against)}
                  inputmode="numeric"
                  size={6}
                />
              </label>
              <button type="submit">Show</button>
              {!isPresent && <a class="button quiet" href={actorHref(actor)}>Back to the present</a>}
            </div>
          </form>
        )}
        <div class="two">
          <div>
            <section id="state" {...(isPresent && !attempt ? { "data-live": true } : {})}>
              <h2>State at version {version}</h2>
              <Json value={past?.state} label={`State at version ${version}`} />
              <h2>What changed since version {against}</h2>
              {changed.length === 0 ? <p class="empty">Nothing.</p> : (
                <ul class="diff">
                  {changed.flatMap(({ path, before, after }) => [
                    ...before === undefined ? [] : [<li class="removed">- {path} {before}</li>],
                    ...after === undefined ? [] : [<li class="added">+ {path} {after}</li>],
                  ])}
                </ul>
              )}
            </section>
            <section id="events" {...(isPresent && !attempt ? { "data-live": true } : {})}>
              <h2>Events up to version {version}</h2>
              {events.length === 0 ? <p class="empty">None.</p> : (
                <ol class="timeline">
                  {events.toReversed().map((event) => (
                    <li class={event.version === version ? "current" : ""}>
                      <a href={`${actorHref(actor)}?version=${event.version}`}>{event.version}</a>{" "}
                      <strong>{event.type}</strong>{" "}
                      <span class="muted">
                        <Time at={event.at} />
                      </span>{" "}
                      <MessageLink id={event.messageId} actor={actor} correlation={event.correlationId} />
                      <Json value={event.payload} label={`Payload of event ${event.version}`} />
                    </li>
                  ))}
                </ol>
              )}
            </section>
          </div>
          <div>
            <Commands type={type} actor={actor} console={{ runtime }} attempt={attempt} />
            <section id="waiting" data-live>
              <h2>Messages that wait</h2>
              <Table
                caption="Messages that wait"
                heads={["Message", "Command", "Status"]}
                empty="None on disk."
                rows={waiting.map((message) => [
                  <MessageLink id={message.id} actor={actor} />,
                  message.command,
                  <Status of={message.status} />,
                ])}
              />
              <h2>Timers</h2>
              <Table
                caption="Timers"
                heads={["Name", "Due", "Sends"]}
                empty="None."
                rows={timers.map(({ name, dueAt, sends, messageId }) => [
                  name ?? messageId,
                  <Time at={dueAt} />,
                  `${sends.command} to ${sends.actor}`,
                ])}
              />
            </section>
          </div>
        </div>
      </>
    ),
  );
}

function Commands(
  { type, actor, console: { runtime }, attempt }: {
    type: string;
    actor: string;
    console: Pick<Console, "runtime">;
    attempt: Attempt | undefined;
  },
) {
  const definition = runtime.registry.actors.get(type);
  const isOwn = runtime.registry.isBuiltIn(definition) || runtime.registry.sagas.has(type) ||
    type === "schedule";
  const commands = isOwn ? [] : [...definition?.commands ?? []];
  if (commands.length === 0) return null;
  return (
    <section>
      <h2>Send a command</h2>
      {commands.map(([name, { input }]) => (
        <details class="card" open={attempt?.command === name}>
          <summary>{name}</summary>
          <form method="post" action={`${actorHref(actor)}/${encodeURIComponent(name)}`}>
            <Csrf />
            <SchemaFields schema={input} entered={attempt?.command === name ? attempt.form : {}} />
            <button type="submit" class="primary">Send {name}</button>
          </form>
        </details>
      ))}
    </section>
  );
}

function versionOf(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : otherwise;
}
