import type { RecordedEvent } from "../../src/mod.ts";
import type { Call } from "./client.ts";
import { type Claim, endOf, eventsNamed, LATE_MS_MAX, payloadOf, type Streams } from "./log.ts";
import type { Press } from "./modules.ts";

/** What must have followed from what was asked: payments, sagas, timers, schedules, activities, answers. */
export function checkFollowing(
  events: readonly RecordedEvent[],
  byActor: Streams,
  { history, press }: { history: readonly Call[]; press: Press },
  claim: Claim,
): void {
  checkSagas(history.filter(({ request }) => request.type === "move"), byActor, claim);
  checkPayments(byActor, claim);
  for (const [actor, stream] of byActor) checkTimers(actor, stream, claim);
  checkDelayed(history.filter(({ kind }) => kind === "send"), byActor, claim);
  checkSchedules(byActor, claim);
  checkActivities(byActor, press, claim);
  checkReactor(events, claim);
}

function checkPayments(byActor: Streams, claim: Claim): void {
  const paid = new Map<string, number[]>();
  const received = new Map<string, number[]>();
  const add = (to: Map<string, number[]>, way: string, n: number) => to.set(way, [...to.get(way) ?? [], n]);
  for (const [actor, stream] of byActor) {
    const key = actor.slice(actor.indexOf("/") + 1);
    for (const event of eventsNamed(stream, "Paid")) {
      add(paid, `${key} to ${payloadOf(event).to}`, Number(payloadOf(event).n));
    }
    for (const event of eventsNamed(stream, "Received")) {
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
  byActor: Streams,
  claim: Claim,
): void {
  const moves = [...byActor].filter(([actor]) => actor.startsWith("purse/")).flatMap(([, stream]) => stream);
  const count = (id: string, type: string) =>
    eventsNamed(moves, type).filter((event) => payloadOf(event).move === id).length;
  for (const { id, result, request } of history) {
    const { move } = (request.input as { input: { move: string } }).input;
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
  const rung = eventsNamed(stream, "Rang");
  const endings = stream.filter(({ type }) => type === "Reminded" || type === "Dropped");
  for (const event of eventsNamed(stream, "Reminded")) {
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

/** What was sent to come later has come once, and not too early. */
function checkDelayed(history: readonly Call[], byActor: Streams, claim: Claim): void {
  const end = endOf([...byActor.values()].flat());
  for (const { id, request, endedAt, deliverAt } of history) {
    const { note } = request.input as { note: number };
    const rings = eventsNamed(byActor.get(`purse/${request.key}`) ?? [], "Rang")
      .filter((event) => payloadOf(event).note === note);
    // A client that had its time from a process whose clock was ahead may wait for longer than all others.
    const isDue = endedAt !== undefined && (deliverAt ?? 0) < end - LATE_MS_MAX;
    claim(rings.length <= 1, `4 handled once: ${id}, to come later, came ${rings.length} times`);
    claim(!isDue || rings.length === 1, `3 acknowledged means durable: ${id}, to come later, did not come`);
    claim(rings.every(({ at }) => at >= (deliverAt ?? Infinity)), `${id}, to come later, came too early`);
  }
}

const HOUR_MS = 3_600_000;

/** A schedule that has not planned beyond this before the end is stuck. */
const STUCK_MS = 120_000;

/** Each time of a schedule is once, in order, and not too early; one that catches up leaves none out. */
function checkSchedules(byActor: Streams, claim: Claim): void {
  const end = endOf([...byActor.values()].flat());
  for (const [name, bell] of [["minutely", "minute"], ["hourly", "hour"]]) {
    const stream = byActor.get(`schedule/${name}`) ?? [];
    const fired = eventsNamed(stream, "Fired");
    const times = fired.map((event) => Number(payloadOf(event).dueAt));
    const isInOrder = times.every((dueAt, index) => dueAt > (times[index - 1] ?? 0));
    const isComplete = times.every((dueAt, index) =>
      index === 0 || dueAt === (times[index - 1] ?? 0) + HOUR_MS
    );
    const chimes = byActor.get(`bell/${bell}`)?.length ?? 0;
    const next = Number(eventsNamed(stream, "Planned").map((event) => payloadOf(event).dueAt).at(-1) ?? 0);
    claim(isInOrder, `schedule ${name} fired at ${times}`);
    claim(fired.every(({ at }, index) => at >= (times[index] ?? 0)), `schedule ${name} fired too early`);
    claim(name === "minutely" || isComplete, `schedule ${name} left a time out: ${times}`);
    claim(
      chimes === fired.length,
      `schedule ${name} fired ${fired.length} times, and was heard ${chimes} times`,
    );
    claim(next > end - STUCK_MS, `schedule ${name} is stuck at ${next}, and it is ${end}`);
  }
}

function checkActivities(
  byActor: Streams,
  press: Press,
  claim: Claim,
): void {
  for (const [actor, stream] of byActor) {
    for (const asked of eventsNamed(stream, "Asked")) {
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
  const received = eventsNamed(events, "Received").map(place).sort();
  const audited = eventsNamed(events, "Audited").map((event) => place(payloadOf(event))).sort();
  claim(String(received) === String(audited), `reactor: received ${received}, audited ${audited}`);
}
