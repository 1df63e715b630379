import { actor, command } from "folio";
import { z } from "zod";
import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { counter } from "../../actors/counter.ts";

/** Takes a while of the processor for each turn, so that a load generator is faster than the server. */
const worker = actor("worker", {
  initialState: () => ({ done: 0 }),
  events: { Worked: z.object({}) },
  evolve: { Worked: (state) => ({ done: state.done + 1 }) },
  commands: {
    work: command(z.object({ iterations: z.int().max(10_000_000) }), (turn, { iterations }) => {
      let rest = 1;
      for (let n = 0; n < iterations; n++) rest = (rest * 31 + n) % 1_000_003;
      turn.emit("Worked", {});
      return { rest, done: turn.state.done };
    }),
  },
});

/** Keeps texts, so that there is much to read. */
const blob = actor("blob", {
  initialState: () => ({ count: 0 }),
  events: { Put: z.object({ text: z.string() }) },
  evolve: { Put: (state) => ({ count: state.count + 1 }) },
  commands: { put: command(z.object({ text: z.string() }), (turn, input) => turn.emit("Put", input)) },
});

export default [counter, account, balances, worker, blob];
