/** What seeds hold clients' histories to: each of these must be found wanting, or the exam shows nothing. */
import { expect, test } from "vitest";
import type { RecordedEvent } from "../../src/mod.ts";
import { checkCalls } from "../../scripts/simulate/checks_calls.ts";
import type { Call } from "../../scripts/simulate/client.ts";

/** Two deposits of 5, each by the call of its number. */
const events = [1, 2].map((n): RecordedEvent => ({
  ...{ shard: 0, position: n, actor: "purse/a", type: "Deposited", schemaVersion: 1, at: n },
  ...{ version: n, key: "a", payload: { amount: 5 }, messageId: `d${n}`, correlationId: `d${n}` },
  causationId: undefined,
}));

type Answer = Pick<Call, "result"> | Pick<Call, "seen">;

function call(
  id: string,
  command: string,
  [startedAt, endedAt]: [number, number?],
  answer: Answer | undefined,
): Call {
  const input = command === "deposit" ? { amount: 5, times: 1 } : { amount: 7 };
  return {
    ...{ id, kind: command === "read" ? "read" : "ask", isNamed: true, startedAt, endedAt },
    request: { type: "purse", key: "a", command, input },
    ...{
      result: undefined,
      seen: undefined,
      deliverAt: undefined,
      expiresAt: undefined,
      errors: answer ? [] : ["crash"],
    },
    ...answer,
  };
}

const common = { messageId: "m", correlationId: "c", actor: "purse/a", shard: 0, position: 0, token: "" };
const did = (version: number, balance: number): Answer => ({
  result: { ...common, version, ok: true, reply: { balance, version } },
});
const refused = (version: number, balance: number): Answer => ({
  result: { ...common, version, ok: false, rejection: { code: "too-little", details: { balance } } },
});
const saw = (version: number, balance: number): Answer => ({
  seen: { state: { balance, version }, version },
});
const [first, second] = [call("d1", "deposit", [1, 2], did(1, 5)), call("d2", "deposit", [3, 4], did(2, 10))];

function found(...history: Call[]): string[] {
  const violations: string[] = [];
  const byActor = new Map([["purse/a", events]]);
  checkCalls(history, events, byActor, (holds, what) => void (holds || violations.push(what)));
  return violations;
}

test.each<[string, Call[]]>([
  ["one after the other", [first, second, call("r", "read", [5, 6], saw(2, 10))]],
  ["a read beside a write sees it or not", [first, second, call("r", "read", [3, 4], saw(1, 5))]],
  ["a write that nobody answered", [first, call("d2", "deposit", [3], undefined)]],
  ["a refusal before the second", [first, call("w", "withdraw", [2, 5], refused(1, 5)), second]],
])("%s: well", (_, history) => {
  expect(found(...history)).toEqual([]);
});

test.each<[string, Call[], string]>([
  [
    "a read that is behind one before it",
    [second, call("r", "read", [5, 6], saw(1, 5))],
    "r saw version 1, after d2",
  ],
  ["a state that is not its version's", [call("r", "read", [5, 6], saw(2, 5))], "linearizable: r read"],
  ["a reply of another version", [first, call("d2", "deposit", [3, 4], did(2, 5))], "linearizable: d2 saw 5"],
  [
    "a refusal for what it has not",
    [call("w", "withdraw", [5, 6], refused(2, 5))],
    "linearizable: w was refused for 5",
  ],
  [
    "a refusal from an old memory",
    [second, call("w", "withdraw", [5, 6], refused(1, 5))],
    "w saw version 1, after d2 had seen 2",
  ],
  [
    "a write where others have looked",
    [call("r", "read", [1, 2], saw(2, 10)), second],
    "linearizable: d2 made version 2, after r had seen 2",
  ],
  [
    "the same, though nobody answered it",
    [call("r", "read", [1, 2], saw(2, 10)), call("d2", "deposit", [3], undefined)],
    "linearizable: d2 made version 2, after r had seen 2",
  ],
  [
    "an acknowledged write that is not there",
    [call("d3", "deposit", [5, 6], did(2, 10))],
    "3 acknowledged means durable",
  ],
])("%s is found", (_, history, what) => {
  expect(found(...history)).toContainEqual(expect.stringContaining(what));
});
