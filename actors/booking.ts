import { saga, StepError } from "folio";
import { z } from "zod";
import { chargeCard, refundCard } from "./payments.ts";
import { seat } from "./seat.ts";

/**
 * Holds a seat, charges its price, and confirms it; or none of it. Ends while the seat is still held: what takes
 * longer is given up, and charged money goes back.
 */
export const booking = saga("booking", {
  input: z.object({
    customer: z.string().min(1).max(200),
    seat: z.string().min(1).max(200),
    card: z.string().min(1).max(100),
  }),
  output: z.object({ charge: z.string() }),
  deadline: "14m",
  run: async (step, input) => {
    const place = seat.ref(input.seat);
    const held = await step.ask("reserve", place.reserve({ by: input.customer }), {
      undo: ({ reservation }) => place.release({ reservation }),
    });
    const charge = await step.perform("charge", chargeCard, { amount: held.price, card: input.card }, {
      undo: (charged) => "id" in charged ? [refundCard, { charge: charged.id }] : undefined,
    });
    if ("declined" in charge) throw new StepError("charge", "card-declined", charge.declined);
    await step.ask("confirm", place.confirm({ reservation: held.reservation }));
    return { charge: charge.id };
  },
});
