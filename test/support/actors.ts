import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command, type CommandRequest } from "../../src/core/command.ts";

/** Adds numbers and remembers them in order: what is lost, doubled or out of order shows in its state. */
export const ledger = actor("ledger", {
  initialState: () => ({ sum: 0, entries: [] as number[] }),
  events: { Added: z.object({ n: z.int() }) },
  rejections: { odd: z.object({ n: z.int() }) },
  evolve: {
    Added: (state, event) => ({ sum: state.sum + event.n, entries: [...state.entries, event.n] }),
  },
  commands: {
    add: command(z.object({ n: z.int() }), (turn, input) => {
      turn.emit("Added", { n: input.n });
      return { sum: turn.state.sum };
    }),
    addEven: command(z.object({ n: z.int() }), (turn, input) => {
      if (input.n % 2 !== 0) turn.reject("odd", { n: input.n });
      turn.emit("Added", { n: input.n });
      return { sum: turn.state.sum };
    }),
    look: command(z.object({}), (turn) => ({ sum: turn.state.sum, version: turn.version })),
    burst: command(z.object({ count: z.int() }), (turn, input) => {
      for (let n = 1; n <= input.count; n++) turn.emit("Added", { n });
    }),
  },
});

/** Ledgers under names of their own, far enough apart to lie in several shards. */
export const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `l${index}`);

interface Faults {
  /** How many more times `work` with this label fails. */
  readonly failures: Map<string, number>;
  /** Attempts so far, by label, in order. */
  readonly attempts: string[];
}

/** A worker whose handlers fail as often as the test says, and what it did. A new one for each test. */
export function unreliable(options: { attemptsMax?: number; jitter?: number } = {}) {
  const faults: Faults = { failures: new Map(), attempts: [] };
  const worker = actor("worker", {
    initialState: () => ({ done: [] as string[] }),
    events: { Worked: z.object({ label: z.string() }) },
    evolve: { Worked: (state, event) => ({ done: [...state.done, event.label] }) },
    retry: { jitter: 0, ...options },
    commands: {
      work: command(z.object({ label: z.string() }), (turn, input) => {
        faults.attempts.push(input.label);
        const left = faults.failures.get(input.label) ?? 0;
        turn.emit("Worked", { label: input.label });
        if (left > 0) {
          faults.failures.set(input.label, left - 1);
          throw new Error(`${input.label} failed, as planned`);
        }
        return { done: turn.state.done };
      }),
    },
  });
  return { worker, ...faults };
}

/** Sends what it is told to, then does as it is told. */
export const sender = actor("sender", {
  initialState: () => ({ runs: 0 }),
  events: { Sent: z.object({}) },
  evolve: { Sent: (state) => ({ runs: state.runs + 1 }) },
  commands: {
    fanOut: command(
      z.object({
        to: z.array(z.object({ key: z.string(), n: z.int() })),
        after: z.string().optional(),
        end: z.enum(["done", "reject", "throw"]).default("done"),
      }),
      (turn, input) => {
        turn.emit("Sent", {});
        for (const { key, n } of input.to) {
          const options = input.after === undefined ? {} : { after: input.after as "1s" };
          turn.send(ledger.ref(key).add({ n }), options);
        }
        if (input.end === "reject") turn.reject("no");
        if (input.end === "throw") throw new Error("threw, as planned");
      },
    ),
    forward: command(z.object({ requests: z.array(z.any()) }), (turn, input) => {
      for (const request of input.requests) turn.send(request as CommandRequest);
    }),
  },
});
