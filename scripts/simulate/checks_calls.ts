import type { RecordedEvent } from "../../src/mod.ts";
import type { Call } from "./client.ts";
import { balanceOf, type Claim, type Streams } from "./log.ts";

/** What clients were told of purses, by whichever process, against the one log that there is. */
export function checkCalls(
  history: readonly Call[],
  events: readonly RecordedEvent[],
  byActor: Streams,
  claim: Claim,
): void {
  const byMessage = Map.groupBy(events, ({ messageId }) => messageId);
  const byCorrelation = Map.groupBy(events, ({ correlationId }) => correlationId);
  const steps: Step[] = [];
  for (const call of history) {
    const actor = `purse/${call.request.key}`;
    const own = (byCorrelation.get(call.id) ?? byMessage.get(call.id) ?? [])
      .filter((event) => event.actor === actor && isDirect(call, event));
    steps.push({ call, saw: call.result?.version ?? call.seen?.version, wrote: own[0]?.version });
    if (call.kind === "ask") checkAsked(call, own, byActor.get(actor) ?? [], claim);
    if (call.seen) {
      const { state, version } = call.seen;
      const wanted = JSON.stringify({
        balance: balanceOf((byActor.get(actor) ?? []).slice(0, version)),
        version,
      });
      claim(JSON.stringify(state) === wanted, `linearizable: ${call.id} read ${JSON.stringify(state)}`);
    }
  }
  checkOrder(steps, claim);
}

/** A call as a step of its actor's history. */
interface Step {
  readonly call: Call;
  /** The version that it was answered with; undefined where it was not. */
  readonly saw: number | undefined;
  /** The first version that it made, answered or not. */
  readonly wrote: number | undefined;
}

/** What says that a call was not taken: no owner, no store, no room. */
const refusals = new Set(["not-owner", "store-unavailable", "mailbox-full"]);

/** Events that a call of this kind records when it is done. */
function eventsOf({ request: { command, input } }: Call): number {
  return command === "look" ? 0 : command === "deposit" ? (input as { times: number }).times : 1;
}

function checkAsked(
  call: Call,
  own: readonly RecordedEvent[],
  stream: readonly RecordedEvent[],
  claim: Claim,
): void {
  const { id, result, errors, expiresAt = Infinity } = call;
  const all = eventsOf(call);
  claim(
    own.length === 0 || own.length === all,
    `2 one transaction: ${id} left ${own.length} of ${all} events`,
  );
  claim(own.every(({ at }) => at < expiresAt), `${id} was handled after it had expired`);
  if (!result) {
    // A process that dies says nothing; what any other says is so.
    const isRefused = errors.every((code) => refusals.has(code));
    claim(
      !isRefused || own.length === 0,
      `1, 6 refused is refused: ${id} was told ${errors}, and was handled`,
    );
    return;
  }
  if (!result.ok) {
    claim(own.length === 0, `2 one transaction: ${id} was rejected, but recorded something`);
    const { code, details } = result.rejection as { code: string; details?: { balance?: number } };
    if (code !== "too-little") return; // it had expired
    const balance = balanceOf(stream.slice(0, result.version));
    return claim(
      details?.balance === balance,
      `linearizable: ${id} was refused for ${details?.balance}, its version has ${balance}`,
    );
  }
  claim(
    own.length === all,
    `3 acknowledged means durable: of ${id} there are ${own.length} events, not ${all}`,
  );
  const balance = balanceOf(stream.slice(0, result.version));
  const reply = result.reply as { balance: number; version: number };
  claim(reply.balance === balance, `linearizable: ${id} saw ${reply.balance}, its version has ${balance}`);
  claim(reply.version === result.version, `linearizable: ${id} saw version ${reply.version}`);
  claim(
    all === 0 || own.at(-1)?.version === result.version,
    `1 single writer: ${id} is not what it was told`,
  );
}

/**
 * What ended before another began comes before it, whichever processes have answered them: nobody sees less than
 * was seen already, and nobody writes where others have looked. With replies that are those of their versions,
 * this makes each actor's history linearizable: its versions are the order.
 */
function checkOrder(steps: readonly Step[], claim: Claim): void {
  for (const { call: first, saw } of steps) {
    if (saw === undefined || first.endedAt === undefined) continue;
    for (const { call: second, ...its } of steps) {
      if (first.request.key !== second.request.key || first.endedAt >= second.startedAt) continue;
      const after = `after ${first.id} had seen ${saw}`;
      claim(
        its.saw === undefined || saw <= its.saw,
        `1 single writer: ${second.id} saw version ${its.saw}, ${after}`,
      );
      claim(
        its.wrote === undefined || saw < its.wrote,
        `linearizable: ${second.id} made version ${its.wrote}, ${after}`,
      );
    }
  }
}

/** Whether an event is the call's own, and not of what it has led to. */
function isDirect(call: Call, event: RecordedEvent): boolean {
  const own: Record<string, string> = {
    ...{ deposit: "Deposited", withdraw: "Withdrawn", pay: "Paid", remind: "Reminded" },
    ...{ drop: "Dropped", print: "Asked" },
  };
  return own[call.request.command] === event.type;
}
