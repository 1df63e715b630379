import { activity, actor, command, saga } from "folio";
import { z } from "zod";

const Move = z.object({ move: z.string() });

/** What sagas take from and give to; a move shows here as taken and given, or as taken and returned. */
export const vault = actor("vault", {
  initialState: () => ({ balance: 0 }),
  events: { Taken: Move, Given: Move, Returned: Move },
  evolve: {
    Taken: ({ balance }) => ({ balance: balance - 1 }),
    Given: ({ balance }) => ({ balance: balance + 1 }),
    Returned: ({ balance }) => ({ balance: balance + 1 }),
  },
  rejections: { unwanted: z.object({}) },
  commands: {
    take: command(Move, (turn, { move }) => turn.emit("Taken", { move })),
    give: command(Move.extend({ isWanted: z.boolean() }), (turn, { move, isWanted }) => {
      if (!isWanted) turn.reject("unwanted", {});
      turn.emit("Given", { move });
    }),
    giveBack: command(Move, (turn, { move }) => turn.emit("Returned", { move })),
  },
});

const FAILING_SHARE = 0.1;

/** Fails now and then, so that kills also meet activities that wait for their next attempt. */
export const stamp = activity("stamp", {
  input: Move,
  output: Move,
  retry: { attemptsMax: 100, delayMs: 50, delayMsMax: 200 },
  run: ({ move }) =>
    Math.random() < FAILING_SHARE ? Promise.reject(new Error("Bad luck")) : Promise.resolve({ move }),
});

/** Every kind of step that kills can come between, and compensations for those that nobody wants. */
export const move = saga("move", {
  input: Move.extend({ from: z.string(), to: z.string(), isWanted: z.boolean() }),
  run: async (step, { move, from, to, isWanted }) => {
    await step.ask("take", vault.ref(from).take({ move }), {
      undo: () => vault.ref(from).giveBack({ move }),
    });
    await step.sleep("think", "20ms");
    await step.perform("stamp", stamp, { move });
    await step.ask("give", vault.ref(to).give({ move, isWanted }));
  },
});
