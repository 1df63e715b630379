import type { AskResult } from "../../src/mod.ts";
import type { RecordedEvent } from "../../src/mod.ts";
import type { Simulation } from "../../src/testing/mod.ts";
import type { examModules, Press } from "./modules.ts";

/** What a client has asked, and what it was told. */
export interface Call {
  readonly key: string;
  readonly type: string;
  readonly command: string;
  readonly input: unknown;
  readonly id: string;
  /** Places in the order of all beginnings and ends. */
  readonly startedAt: number;
  endedAt: number | undefined;
  result: (AskResult<unknown, unknown> & { readonly isNamed: boolean }) | undefined;
}

interface Exam extends Omit<ReturnType<typeof examModules>, "modules"> {
  readonly history: readonly Call[];
  readonly press: Press;
}

type Payload = Record<string, never> & { readonly [field: string]: unknown };

/** Everything that a run shows and the guarantees do not allow, each with the guarantee's number of the design. */
export async function findViolations(sim: Simulation, exam: Exam): Promise<string[]> {
  const events = await sim.events();
  const found: string[] = [];
  const claim = (holds: boolean, what: string) => {
    if (!holds) found.push(what);
  };
  for (const error of sim.broken) found.push(error);
  const byActor = Map.groupBy(events, ({ actor }) => actor);
  checkLog(events, byActor, claim);
  checkCalls(exam.history.filter(({ type }) => type === "purse"), events, byActor, claim);
  checkSagas(exam.history.filter(({ type }) => type === "move"), byActor, claim);
  checkPayments(byActor, claim);
  for (const [actor, stream] of byActor) checkTimers(actor, stream, claim);
  checkActivities(byActor, exam.press, claim);
  checkReactor(events, claim);
  await checkStates(sim, exam, byActor, claim);
  return found;
}

type Claim = (holds: boolean, what: string) => void;
const of = (events: readonly RecordedEvent[], type: string) => events.filter((event) => event.type === type);
const payloadOf = (event: RecordedEvent) => event.payload as Payload;

function checkLog(
  events: readonly RecordedEvent[],
  byActor: ReadonlyMap<string, readonly RecordedEvent[]>,
  claim: Claim,
): void {
  for (const [shard, log] of Map.groupBy(events, (event) => event.shard)) {
    claim(log.every(({ position }, index) => position === index + 1), `7 gap-free: shard ${shard} has a gap`);
    claim(log.every(({ at }, index) => at >= (log[index - 1]?.at ?? 0)), `time goes back in shard ${shard}`);
  }
  for (const [actor, stream] of byActor) {
    claim(
      stream.every(({ version }, index) => version === index + 1),
      `1 single writer: versions of ${actor}`,
    );
  }
}

/** Events that a call of this kind records when it is done. */
function eventsOf({ command, input }: Call): number {
  return command === "look" ? 0 : command === "deposit" ? (input as { times: number }).times : 1;
}

function checkCalls(
  history: readonly Call[],
  events: readonly RecordedEvent[],
  byActor: ReadonlyMap<string, readonly RecordedEvent[]>,
  claim: Claim,
): void {
  const byMessage = Map.groupBy(events, ({ messageId }) => messageId);
  const byCorrelation = Map.groupBy(events, ({ correlationId }) => correlationId);
  for (const call of history) {
    const { key, id, result } = call;
    const actor = `purse/${key}`;
    const own = (byCorrelation.get(id) ?? byMessage.get(id) ?? [])
      .filter((event) => event.actor === actor && isDirect(call, event));
    const all = eventsOf(call);
    claim(
      own.length === 0 || own.length === all,
      `2 one transaction: ${id} left ${own.length} of ${all} events`,
    );
    if (!result) continue;
    if (!result.ok) claim(own.length === 0, `2 one transaction: ${id} was rejected, but recorded something`);
    else {
      claim(
        own.length === all,
        `3 acknowledged means durable: of ${id} there are ${own.length} events, not ${all}`,
      );
      const stream = byActor.get(actor) ?? [];
      const balance = balanceOf(stream.slice(0, result.version));
      const reply = result.reply as { balance: number; version: number };
      claim(
        reply.balance === balance,
        `linearizable: ${id} saw ${reply.balance}, its version has ${balance}`,
      );
      claim(reply.version === result.version, `linearizable: ${id} saw version ${reply.version}`);
    }
  }
  // What ended before another began comes before it.
  const answered = history.flatMap((call) => call.result ? [{ ...call, result: call.result }] : []);
  for (const first of answered) {
    for (const second of answered) {
      if (first.key !== second.key || (first.endedAt ?? Infinity) >= second.startedAt) continue;
      // A repeated call may have been handled at its first try, long before its answer came.
      if (second.result.isNamed) continue;
      claim(first.result.version <= second.result.version, `linearizable: ${second.id} before ${first.id}`);
    }
  }
}

/** Whether an event is the call's own, and not of what it has led to. */
function isDirect(call: Call, event: RecordedEvent): boolean {
  const own: Record<string, string> = {
    ...{ deposit: "Deposited", withdraw: "Withdrawn", pay: "Paid", remind: "Reminded" },
    ...{ drop: "Dropped", print: "Asked" },
  };
  return own[call.command] === event.type;
}

const gains = new Set(["Deposited", "Received", "Given", "Returned"]);

function balanceOf(stream: readonly RecordedEvent[]): number {
  return stream.reduce((balance, event) => {
    const amount = Number(payloadOf(event).amount ?? 0);
    return gains.has(event.type) ? balance + amount : balance - amount;
  }, 0);
}

function checkPayments(byActor: ReadonlyMap<string, readonly RecordedEvent[]>, claim: Claim): void {
  const paid = new Map<string, number[]>();
  const received = new Map<string, number[]>();
  const add = (to: Map<string, number[]>, way: string, n: number) => to.set(way, [...to.get(way) ?? [], n]);
  for (const [actor, stream] of byActor) {
    const key = actor.slice(actor.indexOf("/") + 1);
    for (const event of of(stream, "Paid")) {
      add(paid, `${key} to ${payloadOf(event).to}`, Number(payloadOf(event).n));
    }
    for (const event of of(stream, "Received")) {
      add(received, `${payloadOf(event).from} to ${key}`, Number(payloadOf(event).n));
    }
  }
  for (const way of new Set([...paid.keys(), ...received.keys()])) {
    const [sent, arrived] = [String(paid.get(way) ?? []), String(received.get(way) ?? [])];
    claim(sent === arrived, `4, 5 once and in order: ${way} paid ${sent}, received ${arrived}`);
  }
}

/** All of a saga or nothing, in the end. */
function checkSagas(
  history: readonly Call[],
  byActor: ReadonlyMap<string, readonly RecordedEvent[]>,
  claim: Claim,
): void {
  const moves = [...byActor].filter(([actor]) => actor.startsWith("purse/")).flatMap(([, stream]) => stream);
  const count = (id: string, type: string) =>
    of(moves, type).filter((event) => payloadOf(event).move === id).length;
  for (const { id, result, input } of history) {
    const { move } = (input as { input: { move: string } }).input;
    const journal = byActor.get(`move/${move}`) ?? [];
    if (!result && journal.length === 0) continue;
    const end = journal.at(-1)?.type;
    const done = [count(move, "Taken"), count(move, "Given"), count(move, "Returned")].join();
    const isWhole = end === "Completed" && done === "1,1,0";
    const isUndone = end === "Failed" && (done === "0,0,0" || done === "1,0,1");
    claim(isWhole || isUndone, `saga ${id} ended as ${end}: taken, given, returned ${done}`);
  }
}

function checkTimers(actor: string, stream: readonly RecordedEvent[], claim: Claim): void {
  const rung = of(stream, "Rang");
  const endings = stream.filter(({ type }) => type === "Reminded" || type === "Dropped");
  for (const event of of(stream, "Reminded")) {
    const { name, note, dueAt } = payloadOf(event);
    const rings = rung.filter((other) => payloadOf(other).note === note);
    const ending = endings.find((other) => other.version > event.version && payloadOf(other).name === name);
    const isEndedInTime = ending !== undefined && ending.at < Number(dueAt);
    const isLeft = ending === undefined;
    claim(rings.length <= 1, `timer ${actor} ${note} fired ${rings.length} times`);
    claim(rings.every(({ at }) => at >= Number(dueAt)), `timer ${actor} ${note} fired too early`);
    claim(!isEndedInTime || rings.length === 0, `timer ${actor} ${note} fired after it was cancelled`);
    claim(!isLeft || rings.length === 1, `timer ${actor} ${note} did not fire`);
  }
}

function checkActivities(
  byActor: ReadonlyMap<string, readonly RecordedEvent[]>,
  press: Press,
  claim: Claim,
): void {
  for (const [actor, stream] of byActor) {
    for (const asked of of(stream, "Asked")) {
      const { id } = payloadOf(asked);
      const told = stream.filter((event) =>
        (event.type === "Printed" || event.type === "Unprinted") && payloadOf(event).id === id
      );
      claim(told.length === 1, `activity ${id} of ${actor} was told ${told.length} times`);
    }
  }
  const printed = [...byActor.values()].flat().filter(({ type }) => type === "Printed").length;
  claim(
    press.sheets.size >= printed,
    `activities: ${printed} were said to be done, ${press.sheets.size} were`,
  );
}

function checkReactor(events: readonly RecordedEvent[], claim: Claim): void {
  const place = ({ shard, position }: { shard?: unknown; position?: unknown }) => `${shard}.${position}`;
  const received = of(events, "Received").map(place).sort();
  const audited = of(events, "Audited").map((event) => place(payloadOf(event))).sort();
  claim(String(received) === String(audited), `reactor: received ${received}, audited ${audited}`);
}

async function checkStates(
  sim: Simulation,
  exam: Exam,
  byActor: ReadonlyMap<string, readonly RecordedEvent[]>,
  claim: Claim,
): Promise<void> {
  // Without snapshots, in a new process: the log alone must give the same.
  for (const way of ["as it is", "from the log alone"]) {
    for (const [actor, stream] of byActor) {
      if (!actor.startsWith("purse/")) continue;
      const { state, version } = await sim.state(exam.purse, actor.slice("purse/".length));
      const wanted = JSON.stringify({ balance: balanceOf(stream), version: stream.length });
      claim(
        JSON.stringify(state) === wanted,
        `8 derived: state of ${actor} ${way} is ${JSON.stringify(state)}`,
      );
      claim(version === stream.length, `8 derived: version of ${actor} ${way}`);
    }
    if (way === "as it is") {
      await sim.dropDerived();
      await sim.advance("1m");
    }
    const { rows } = await sim.until(
      sim.begin((runtime) => runtime.projections.query("totals", "all", {}, { waitMs: 5_000 })),
    );
    const wanted = [...byActor].filter(([, stream]) => of(stream, "Deposited").length > 0)
      .map(([actor, stream]) => ({
        purse: actor.slice("purse/".length),
        deposited: of(stream, "Deposited").reduce((sum, event) => sum + Number(payloadOf(event).amount), 0),
        events: of(stream, "Deposited").length,
      })).sort((a, b) => a.purse < b.purse ? -1 : 1);
    claim(
      JSON.stringify(rows) === JSON.stringify(wanted),
      `8 derived: projection ${way}: ${JSON.stringify(rows)}`,
    );
  }
}
