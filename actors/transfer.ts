import { saga } from "folio";
import { z } from "zod";
import { account } from "./account.ts";

/**
 * Moves money from one account to another, or leaves it where it was. An account that is closed takes nothing back:
 * a transfer that has to be undone then stops where it is, and an alert tells an operator.
 */
export const transfer = saga("transfer", {
  input: z.object({
    from: z.string().min(1).max(200),
    to: z.string().min(1).max(200),
    amount: z.int().positive(),
  }),
  output: z.object({ transferred: z.int() }),
  run: async (step, { from, to, amount }) => {
    await step.ask("withdraw", account.ref(from).withdraw({ amount }), {
      undo: () => account.ref(from).deposit({ amount }),
    });
    await step.ask("deposit", account.ref(to).deposit({ amount }));
    return { transferred: amount };
  },
});
