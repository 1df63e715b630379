/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import type { ReactorStatus } from "../runtime/reactor_models.ts";
import { Act, action } from "./action.tsx";
import { pathOf, type Refusal } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { Behind, Facts, num, Status, StoppedAt, Table, Text } from "./parts.tsx";

/** What the API answers to a replay that sends nothing. */
const Rehearsal = z.object({
  eventsAnswered: z.number(),
  messages: z.number(),
  messagesByCommand: z.record(z.string(), z.number()),
  failure: z.object({ error: z.string() }).optional(),
});
type Rehearsal = z.output<typeof Rehearsal>;

interface Said {
  readonly rehearsed?: Rehearsal;
  readonly refusal?: Refusal;
}

/** Reactors one by one: what they would send about the past, and sending it again on purpose. */
export function reactorPages(app: Hono<ConsoleEnv>, console: Console): void {
  app.get("/reactors/:name", (c) => reactorPage(c, console));

  const of = (c: ConsoleContext) => {
    const { name = "" } = c.req.param();
    const from = c.get("form").from || undefined;
    const path = (resend?: "true") => pathOf(["reactors", name, "replay"], { resend, from });
    return { name, from, path, back: hrefOf(name) };
  };

  action(app, console, "/reactors/:name/rehearse", (c) => {
    const { name, path, back } = of(c);
    return {
      ...{ name: "rehearse-reactor", target: name, back, done: "Replayed without sending" },
      ask: (api) => api("POST", path()),
      show: (body) => reactorPage(c, console, { rehearsed: Rehearsal.parse(body) }),
      refused: (refusal) => reactorPage(c, console, { refusal }),
    };
  });

  action(app, console, "/reactors/:name/resend", (c) => {
    const { name, from, path, back } = of(c);
    return {
      ...{ name: "resend-reactor", target: name, back, done: "Sending again" },
      ask: (api) => api("POST", path("true")),
      refused: (refusal) => reactorPage(c, console, { refusal }),
      confirm: {
        question:
          `Send again what ${name} of today sends about all events since ${
            from ?? "the beginning of the log"
          }? ` +
          "The messages have ids of their own: whoever gets them acts on them once more.",
        label: "Send again",
      },
    };
  });

  action(app, console, "/reactors/:name/stop", (c) => {
    const { name, path, back } = of(c);
    return {
      ...{ name: "stop-resend", target: name, back, done: "Stopped; what was sent was sent" },
      ask: (api) => api("DELETE", path()),
    };
  });
}

async function reactorPage(c: ConsoleContext, { runtime }: Console, said: Said = {}): Promise<Response> {
  const { name = "" } = c.req.param();
  const reactor = runtime.reactors?.list().find((each) => each.name === name);
  if (!reactor) {
    throw new FolioError("unknown-reactor", "There is no reactor of that name", {
      reactor: name.slice(0, 64),
    });
  }
  const { rehearsed, refusal } = said;
  const from = refusal || rehearsed ? c.get("form").from : undefined;
  return await page(
    c,
    {
      title: name,
      ...refusal && { status: refusal.status, notice: { kind: "failed", text: refusal.reason } },
    },
    (
      <>
        <section id="reactor" data-live>
          <Facts
            of={[
              ["Status", <Status of={reactor.status} />],
              ["Behind", <Behind events={reactor.lagEvents} />],
            ]}
          />
          <StoppedAt failure={reactor.failure} />
          {reactor.replay && <Resending name={name} replay={reactor.replay} />}
        </section>
        {rehearsed && <Rehearsed replay={rehearsed} />}
        <section class="card">
          <h2>Replay</h2>
          <p>What this reactor of today would send about events that it has seen.</p>
          <form method="post" action={`${hrefOf(name)}/rehearse`}>
            <Csrf />
            <Text
              name="from"
              label="From: a time with its zone, or a token"
              value={from}
              placeholder="the beginning"
            />
            <div class="row">
              <button type="submit" class="primary">Tell, and send nothing</button>
              <button type="submit" class="danger" formaction={`${hrefOf(name)}/resend`}>Send again…</button>
            </div>
          </form>
        </section>
      </>
    ),
  );
}

function Resending({ name, replay }: { name: string; replay: NonNullable<ReactorStatus["replay"]> }) {
  return (
    <div class="card">
      <h2>Sending again</h2>
      <p>
        {leftOf(replay)}. Its messages are called <span class="name">{name}~{replay.run}.…</span>
      </p>
      <StoppedAt failure={replay.failure} />
      <Act to={`${hrefOf(name)}/stop`} label="Stop" kind="danger" />
    </div>
  );
}

function Rehearsed({ replay }: { replay: Rehearsal }) {
  const { eventsAnswered, messages, messagesByCommand, failure } = replay;
  return (
    <section class="card" id="rehearsed">
      <h2>What it would send</h2>
      <p role="status">
        {messages} {messages === 1 ? "message" : "messages"} about {eventsAnswered}{" "}
        {eventsAnswered === 1 ? "event" : "events"}; nothing was sent
      </p>
      <Table
        caption="Messages by command"
        heads={["Command", num("Messages")]}
        empty="No message."
        rows={Object.entries(messagesByCommand)}
      />
      {failure && <p class="error">It stops at an event that it cannot handle: {failure.error}</p>}
    </section>
  );
}

/** How much of sending again is to come. */
export function leftOf({ eventsLeft }: NonNullable<ReactorStatus["replay"]>): string {
  return eventsLeft === 1 ? "1 event is left" : `${eventsLeft} events are left`;
}

function hrefOf(name: string): string {
  return `/console/reactors${pathOf([name])}`;
}
