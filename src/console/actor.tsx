/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { findWaiting } from "../runtime/browse.ts";
import { action } from "./action.tsx";
import { Changes, Events, Pending } from "./actor_parts.tsx";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import { actorHref } from "./parts.tsx";
import { type Attempt, readInput, refusedOptions, SchemaFields } from "./schema_form.tsx";

const PAGE_ITEMS = 100;
const EVENTS_SHOWN = 25;
type CommandAttempt = Attempt & { readonly command: string };

/** One actor: its state, its past, what waits for it, and commands sent to it. */
export function actorPage(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;

  app.get("/actors/:type/:key", (c) => onePage(c, console));

  // A state that is too long for its page.
  app.get("/actors/:type/:key/state", async (c) => {
    const { type, key } = c.req.param();
    const present = await runtime.state(type, key);
    const version = versionOf(c.req.query("version"), present.version);
    const past = version < present.version ? await runtime.past(type, key, { version }) : present;
    return c.json(past?.state ?? {});
  });

  action(app, console, "/actors/:type/:key/:command", async (c) => {
    const { type = "", key = "", command = "" } = c.req.param();
    const actor = `${type}/${key}`;
    const form = c.get("form");
    const again = (refusal: Attempt["refusal"]) => onePage(c, console, { command, form, refusal });
    const schema = runtime.registry.actor(type, key).commands.get(command)?.input;
    const { input, refusal } = schema ? readInput(schema, form) : { input: {} };
    if (refusal) return await again(refusal);
    return {
      ...{ name: "send-command", target: `${command} to ${actor}`, back: actorHref(actor), refused: again },
      ask: (api) => api("POST", pathOf(["actors", type, key, command]), input),
      done: ({ reply, version, messageId }) =>
        reply === undefined && version === undefined
          ? `${command} is on its way as message ${messageId}`
          : `${command} is done, version ${version}. Reply: ${JSON.stringify(reply ?? null)}`,
    };
  });
}

async function onePage(c: ConsoleContext, { runtime }: Console, attempt?: CommandAttempt): Promise<Response> {
  const { type = "", key = "" } = c.req.param();
  const actor = `${type}/${key}`;
  const present = await runtime.state(type, key);
  const newest = present.version;
  const version = Math.min(newest, versionOf(c.req.query("version"), newest));
  const against = Math.min(newest, versionOf(c.req.query("against"), Math.max(0, version - 1)));
  const [past, other, { events }, waiting, timers] = await Promise.all([
    stateAt(version),
    stateAt(against),
    runtime.stream(type, key, { after: 0, upTo: version, limit: EVENTS_SHOWN, isNewest: true }),
    findWaiting(runtime, { actor, limit: PAGE_ITEMS }),
    runtime.timers({ actor, limit: PAGE_ITEMS }),
  ]);
  const live = version === newest && !attempt ? { "data-live": true } : {};
  return await page(
    c,
    { title: actor, ...refusedOptions(attempt) },
    (
      <>
        {runtime.registry.sagas.has(type) && (
          <p>
            <a href={`/console/sagas${pathOf([type, key])}`}>This is an instance of the saga {type}</a>
          </p>
        )}
        {newest > 0 && (
          <Slider
            actor={actor}
            versions={{ version, against, newest, isAsked: Boolean(c.req.query("against")) }}
          />
        )}
        <div class="two">
          <div>
            <section id="state" {...live}>
              <h2>State at version {version}</h2>
              <Json
                value={past}
                label={`State at version ${version}`}
                whole={`${actorHref(actor)}/state?version=${version}`}
              />
              <h2>What changed since version {against}</h2>
              <Changes before={other} after={past} />
            </section>
            <section id="events" {...live}>
              <h2>Events up to version {version}</h2>
              <Events events={events} actor={actor} version={version} />
            </section>
          </div>
          <div>
            <Commands type={type} actor={actor} console={{ runtime }} attempt={attempt} />
            <Pending actor={actor} waiting={waiting} timers={timers} />
          </div>
        </div>
      </>
    ),
  );

  async function stateAt(version: number): Promise<unknown> {
    if (version === newest) return present.state;
    if (version === 0) return {};
    return (await runtime.past(type, key, { version }))?.state;
  }
}

/** Through an actor's past; without scripts its button does what letting go of it does. */
function Slider(
  { actor, versions }: {
    actor: string;
    versions: { version: number; against: number; newest: number; isAsked: boolean };
  },
) {
  const { version, against, newest, isAsked } = versions;
  const at = (to: number) => `${actorHref(actor)}?version=${to}`;
  return (
    <form class="card past" action={actorHref(actor)}>
      <label class="slide">
        <span>
          Version <output>{version}</output> of <a href={at(newest)}>{newest}</a>
        </span>
        <input type="range" name="version" min={1} max={newest} value={String(version)} />
      </label>
      <div class="row">
        {version > 1 && <a class="button" href={at(version - 1)} aria-label="The version before">‹</a>}
        {version < newest && <a class="button" href={at(version + 1)} aria-label="The next version">›</a>}
        <label class="against">
          Compare with
          <input
            name="against"
            value={isAsked ? String(against) : ""}
            placeholder={String(against)}
            inputmode="numeric"
            size={6}
          />
        </label>
        <button type="submit">Show</button>
        {version < newest && <a class="button quiet" href={actorHref(actor)}>Back to the present</a>}
      </div>
    </form>
  );
}

function Commands(
  { type, actor, console: { runtime }, attempt }: {
    type: string;
    actor: string;
    console: Pick<Console, "runtime">;
    attempt: CommandAttempt | undefined;
  },
) {
  const definition = runtime.registry.actors.get(type);
  const isOwn = runtime.registry.isBuiltIn(definition) || runtime.registry.sagas.has(type) ||
    type === "schedule";
  const commands = isOwn ? [] : [...definition?.commands ?? []].filter(([, { isInternal }]) => !isInternal);
  if (commands.length === 0) return null;
  return (
    <section>
      <h2>Send a command</h2>
      {commands.map(([name, { input }]) => {
        const tried = attempt?.command === name ? attempt : undefined;
        return (
          <details class="card" open={tried !== undefined}>
            <summary>{name}</summary>
            <form method="post" action={`${actorHref(actor)}/${encodeURIComponent(name)}`}>
              <Csrf />
              <SchemaFields schema={input} attempt={tried} scope={name} />
              <button type="submit" class="primary">Send {name}</button>
            </form>
          </details>
        );
      })}
    </section>
  );
}

function versionOf(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : otherwise;
}
