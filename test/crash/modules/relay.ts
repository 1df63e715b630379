import { actor, command } from "folio";
import { z } from "zod";

const Keys = z.array(z.string().min(1)).min(1).max(8);

/** Sends one message on to each of several inboxes, which are likely to live in other shards. */
export const forwarder = actor("forwarder", {
  initialState: () => ({ forwarded: 0 }),
  events: { Forwarded: z.object({ tag: z.int(), to: Keys }) },
  evolve: { Forwarded: (state) => ({ forwarded: state.forwarded + 1 }) },
  commands: {
    forward: command(z.object({ tag: z.int(), to: Keys }), (turn, { tag, to }) => {
      turn.emit("Forwarded", { tag, to });
      for (const key of to) turn.send(inbox.ref(key).receive({ from: turn.key, n: turn.version }));
      return { forwarded: turn.state.forwarded };
    }, { reply: z.object({ forwarded: z.int() }) }),
  },
});

/**
 * Counts what it receives. Some turns fail, and are tried again, so that kills also meet messages that wait
 * for their next attempt, and others that wait behind them.
 */
export const inbox = actor("inbox", {
  initialState: () => ({ received: 0 }),
  events: { Received: z.object({ from: z.string(), n: z.int() }) },
  evolve: { Received: (state) => ({ received: state.received + 1 }) },
  retry: { attemptsMax: 100, delayMs: 80, delayMsMax: 200 },
  commands: {
    receive: command(z.object({ from: z.string(), n: z.int() }), (turn, { from, n }) => {
      if (turn.random() < 0.03) throw new Error("Bad luck");
      turn.emit("Received", { from, n });
    }),
  },
});
