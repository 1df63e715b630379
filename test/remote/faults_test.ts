/**
 * A store on a server that loses answers, answers late or not at all, and hangs up, while processes come and go:
 * would catch what was acknowledged being lost, and anything happening twice.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FolioError } from "../../src/core/errors.ts";
import type { OpenRuntime } from "../../src/create_runtime.ts";
import { source } from "../reactors/support.ts";
import { ledger } from "../support/actors.ts";
import type { Fault } from "../support/hrana/server.ts";
import { RemoteWorld, until } from "./support.ts";

type Step =
  | { kind: "add" | "say"; key: string; n: number; id: number; waits: boolean }
  | { kind: "restart" | "takeOver" | "land" | "pause" };

const key = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom("add" as const, "say" as const),
      key,
      n: fc.integer({ min: 1, max: 9 }),
      id: fc.nat(40),
      waits: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("restart" as const, "takeOver" as const, "land" as const) }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("pause" as const) }) },
);
const faults: readonly Fault[] = ["refuse", "reset", "lose", "cut", "drop", "late"];
/** How often something goes wrong, and what: a sequence of its own for each seed. */
const weather = fc.record({ seed: fc.nat(2 ** 31), often: fc.constantFrom(0.1, 0.3, 0.5) });

function faultsOf({ seed, often }: { seed: number; often: number }): (rarely: boolean) => Fault {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  return (rarely) =>
    next() < (rarely ? often / 20 : often) ? faults[Math.floor(next() * faults.length)] ?? "ok" : "ok";
}

interface Sent {
  readonly actor: string;
  readonly n: number;
  readonly messageId: string;
  answer: "unknown" | "accepted" | "done" | "refused";
  version: number;
}

/** Errors that say nothing about what became of the message; its sender would send it again. */
const unknown = ["store-unavailable", "draining", "not-owner", "message-in-progress", "message-expired"];

class Client {
  readonly sent: Sent[] = [];
  readonly #answers: Promise<void>[] = [];

  send(runtime: OpenRuntime, { kind, key, n, id, waits }: Extract<Step, { key: string }>): void {
    const request = kind === "add" ? ledger.ref(key).add({ n }) : source.ref(key).say({ n });
    const sent: Sent = {
      actor: `${request.type}/${key}`,
      n,
      messageId: `${kind}-${key}-${id}`,
      answer: "unknown",
      version: 0,
    };
    this.sent.push(sent);
    const options = { messageId: sent.messageId, waitMs: waits ? 1_000_000 : 0 };
    this.#answers.push(
      runtime.submit(request, options).then((answer) => {
        if (answer.status === "rejected") throw new Error("Nothing is rejected here");
        sent.answer = answer.status;
        if (answer.status === "done") sent.version = answer.version;
      }, (error) => {
        if (!(error instanceof FolioError)) throw error;
        if (!unknown.includes(error.code) && error.code !== "message-mismatch") throw error;
        sent.answer = unknown.includes(error.code) ? "unknown" : "refused";
      }),
    );
  }

  async answered(): Promise<void> {
    await Promise.all(this.#answers);
  }
}

let faultsInjected = 0;

async function run(steps: readonly Step[], sky: { seed: number; often: number }, shards: number) {
  const world = await RemoteWorld.start({ shards });
  try {
    let runtime = await world.open();
    const client = new Client();
    const faultOf = faultsOf(sky);
    // A process that starts asks for so much, one thing after the other, that it would hardly ever be done.
    let isStarting = false;
    world.server.fault = () => faultOf(isStarting);
    for (const step of steps) {
      if (step.kind === "add" || step.kind === "say") client.send(runtime, step);
      else if (step.kind === "land") world.server.land();
      else if (step.kind === "pause") await new Promise<void>((resolve) => world.clock.after(500, resolve));
      else {
        // Taken over: the one before still believes that the store is its own.
        if (step.kind === "restart") await runtime[Symbol.asyncDispose]();
        isStarting = true;
        runtime = await world.open(200);
        isStarting = false;
      }
    }
    await client.answered();
    world.server.fault = () => "ok";
    world.server.land();
    for (const [fault, times] of world.server.happened) if (fault !== "ok") faultsInjected += times;
    // The last one starts when all is well again; what was accepted is then handled.
    runtime = await world.open();
    await check(world, runtime, client.sent);
  } finally {
    await world.end();
  }
}

async function check(world: RemoteWorld, runtime: OpenRuntime, sent: readonly Sent[]): Promise<void> {
  for (const { answer, messageId, actor } of sent) {
    if (answer !== "accepted") continue;
    await until(
      async () => (await runtime.message(messageId, actor)).status === "done",
      `${messageId} is done`,
    );
  }
  const said = (await world.events()).filter(({ actor }) => actor.startsWith("source/"));
  await until(
    async () => (await world.events()).filter(({ type }) => type === "Heard").length >= 2 * said.length,
    "all that was said is heard",
  );
  const events = await world.events();
  const next = new Map<string, number>();
  for (const { shard, position, actor, version } of events) {
    for (const [name, value] of [[`shard ${shard}`, position], [actor, version]] as const) {
      expect([name, value]).toEqual([name, (next.get(name) ?? 0) + 1]);
      next.set(name, value);
    }
  }
  const byMessage = new Map(events.map((event) => [`${event.messageId} ${event.actor}`, event]));
  expect(byMessage.size).toBe(events.length);
  for (const { actor, n, messageId, answer, version } of sent) {
    const event = byMessage.get(`${messageId} ${actor}`);
    if (answer === "done") expect(event).toMatchObject({ version, payload: { n } });
    if (answer === "accepted") expect(event).toMatchObject({ payload: { n } });
  }
  // Each thing said is heard twice, by the one listener and by the one of all, in the order said.
  const numbers = (of: string) =>
    events.filter(({ actor }) => actor === of).map(({ payload }) => (payload as { n: number }).n);
  for (const key of ["a", "b", "c", "d"]) {
    expect(numbers(`listener/${key}`)).toEqual(numbers(`source/${key}`));
  }
  expect(numbers("listener/all").sort()).toEqual(
    said.map(({ payload }) => (payload as { n: number }).n).sort(),
  );
  // States and rows are folds of the log.
  const sums = new Map<string, { ledger: string; sum: number; count: number }>();
  for (const key of ["a", "b", "c", "d"]) {
    const entries = numbers(`ledger/${key}`);
    const sum = entries.reduce((sum, n) => sum + n, 0);
    if (entries.length > 0) {
      sums.set(key, { ledger: key, sum, count: entries.length });
      expect((await runtime.state("ledger", key)).state).toEqual({ sum, entries });
    }
  }
  const atLeast = runtime.positions();
  const { rows } = await runtime.projections.query("sums", "all", {}, { atLeast, waitMs: 1_000_000 });
  expect(rows).toEqual([...sums.values()]);
}

test("whatever a server loses, delays or repeats, what was acknowledged is there exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 100 }),
      weather,
      fc.constantFrom(1, 3),
      run,
    ),
    { numRuns: Number(Deno.env.get("FOLIO_TEST_RUNS") ?? 15), endOnFailure: true },
  );
  // A run that injects nothing would prove nothing.
  expect(faultsInjected).toBeGreaterThan(50);
}, 600_000);
