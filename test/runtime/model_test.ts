import fc from "fast-check";
import { expect, test } from "vitest";
import type { Limits } from "../../src/config.ts";
import { FolioError } from "../../src/core/errors.ts";
import { ledger } from "../support/actors.ts";
import type { Fault } from "../support/faulty_engine.ts";
import { at, World } from "../support/world.ts";

type Step =
  | { kind: "ask" | "send"; key: string; n: number; id: number | undefined }
  | { kind: "delay"; key: string; n: number; ms: number }
  | { kind: "fault"; shard: number; fault: Fault }
  | { kind: "hang" | "release" | "restart" | "crash" | "settle" }
  | { kind: "advance"; ms: number };

const key = fc.constantFrom("a", "b", "c", "d");
/** Even numbers are accepted by `addEven`, odd ones rejected. */
const n = fc.integer({ min: 1, max: 9 });
/** Few enough that many are used twice; what one is used with depends on it alone, mostly. */
const id = fc.option(fc.nat(12), { nil: undefined, freq: 2 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constantFrom("ask" as const, "send" as const), key, n, id }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delay" as const), key, n, ms: fc.nat(200_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      shard: fc.nat(3),
      fault: fc.constantFrom<Fault[]>("before", "after", "before", "ok"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("hang" as const, "release" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("restart" as const, "crash" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(90_000) }) },
);

/** What a client knows of one message: all that it can rely on. */
interface Sent {
  readonly actor: string;
  readonly n: number;
  readonly messageId: string;
  /** `unknown`: the answer did not come, or said that the store failed. */
  answer: "unknown" | "accepted" | "done" | "rejected" | "refused";
  readonly versions: number[];
}

class Client {
  readonly sent: Sent[] = [];
  #made = 0;

  constructor(private readonly world: World) {}

  send(
    step: { kind: "ask" | "send" | "delay"; key: string; n: number; id?: number | undefined; ms?: number },
  ): void {
    const messageId = step.id === undefined ? `new-${++this.#made}` : `${step.key}-${step.id}`;
    const sent: Sent = { actor: `ledger/${step.key}`, n: step.n, messageId, answer: "unknown", versions: [] };
    this.sent.push(sent);
    const request = ledger.ref(step.key).addEven({ n: step.n });
    const deliverAt = step.ms === undefined ? undefined : this.world.clock.now() + step.ms;
    const waitMs = step.kind === "ask" ? 1_000 : 0;
    this.world.runtime.submit(request, { messageId, waitMs, deliverAt }).then((answer) => {
      sent.answer = answer.status;
      if (answer.status === "done") sent.versions.push(answer.version);
    }, (error) => {
      if (!(error instanceof FolioError)) throw error;
      const isUnknown = ["store-unavailable", "draining", "message-in-progress"].includes(error.code);
      sent.answer = isUnknown ? "unknown" : "refused";
      if (!isUnknown && error.code !== "message-mismatch") throw error;
    });
  }
}

async function run(steps: readonly Step[], shards: number, limits: Partial<Limits>): Promise<void> {
  const world = await World.start({ modules: [ledger], shards, limits });
  const client = new Client(world);
  let releases: (() => void)[] = [];
  const release = () => {
    for (const each of releases) each();
    releases = [];
  };
  for (const step of steps) {
    if (step.kind === "ask" || step.kind === "send" || step.kind === "delay") client.send(step);
    else if (step.kind === "fault") at(world.engines, step.shard % shards).plan(step.fault);
    else if (step.kind === "hang") releases.push(...world.engines.map((engine) => engine.hang()));
    else if (step.kind === "release") release();
    else if (step.kind === "settle") await world.settle();
    else if (step.kind === "advance") await world.clock.advance(step.ms);
    else if (step.kind === "restart") {
      release();
      await world.clock.advance("10s"); // what fails is over
      await world.restart();
    } else await world.crash();
  }
  release();
  await world.clock.advance("10m");
  await check(world, client.sent);
}

async function check(world: World, sent: readonly Sent[]): Promise<void> {
  const events = await world.events();
  // Positions and versions are gap-free, in the order of the log.
  const next = new Map<string, number>();
  for (const { shard, position, actor, version } of events) {
    for (const [name, value] of [[`shard ${shard}`, position], [actor, version]] as const) {
      expect([name, value]).toEqual([name, (next.get(name) ?? 0) + 1]);
      next.set(name, value);
    }
  }
  // No message has had its effect twice.
  const byMessage = new Map(events.map((event) => [`${event.messageId} ${event.actor}`, event]));
  expect(byMessage.size).toBe(events.length);
  for (const { actor, n, messageId, answer, versions } of sent) {
    const event = byMessage.get(`${messageId} ${actor}`);
    const what = `${messageId} to ${actor}, ${answer}`;
    // What was acknowledged is there, with the content and the version that were acknowledged.
    if (answer === "done") {
      expect({ what, version: event?.version, payload: event?.payload }).toEqual({
        what,
        version: versions[0],
        payload: { n },
      });
    }
    if (answer === "rejected") expect({ what, event }).toEqual({ what, event: undefined });
    if (answer === "accepted") {
      const { status } = await world.message(messageId, actor) ?? {};
      expect({ what, status }).toEqual({ what, status: n % 2 === 0 ? "done" : "rejected" });
      expect({ what, payload: event?.payload }).toEqual({ what, payload: n % 2 === 0 ? { n } : undefined });
    }
    const contents = sent.filter((each) => each.messageId === messageId).map((each) => ({ n: each.n }));
    if (event) expect(contents).toContainEqual(event.payload);
  }
  // States are folds of the log, in memory as after a crash.
  for (let life = 0; life < 2; life++) {
    for (const key of ["a", "b", "c", "d"]) {
      const numbers = events.filter(({ actor }) => actor === `ledger/${key}`).map((e) =>
        (e.payload as { n: number }).n
      );
      expect(await world.runtime.state("ledger", key)).toEqual({
        state: { sum: numbers.reduce((sum, n) => sum + n, 0), entries: numbers },
        version: numbers.length,
      });
    }
    await world.crash();
  }
}

const scenario = fc.record({
  steps: fc.array(step, { minLength: 5, maxLength: 60 }),
  shards: fc.constantFrom(1, 4),
  limits: fc.record({
    commitTurnsMax: fc.constantFrom(1, 3, 1_000),
    activationsMax: fc.constantFrom(1, 1_000),
    delayWindowMs: fc.constantFrom(10_000, 60_000),
  }),
});

test("whatever fails and whenever it restarts, what was acknowledged is there exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, ({ steps, shards, limits }) => run(steps, shards, limits)),
    { numRuns: Number(Deno.env.get("FOLIO_TEST_RUNS") ?? 100) },
  );
}, 600_000);
