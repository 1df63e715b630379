import { activity, actor, command, FinalError, saga } from "folio";
import { z } from "zod";
import type { SagaStatus } from "../../src/runtime/sagas.ts";
import type { World } from "../support/world.ts";

const Reservation = z.object({ reservation: z.string() });

/** A seat that one can have. `release` of a reservation that is gone is no error: it may come twice. */
export const seat = actor("seat", {
  initialState: () => ({ reservation: "", isConfirmed: false, made: 0 }),
  events: { Reserved: Reservation, Confirmed: z.object({}), Released: z.object({}) },
  evolve: {
    Reserved: ({ made }, { reservation }) => ({ reservation, isConfirmed: false, made: made + 1 }),
    Confirmed: (state) => ({ ...state, isConfirmed: true }),
    Released: (state) => ({ ...state, reservation: "", isConfirmed: false }),
  },
  rejections: { taken: z.object({ by: z.string() }), "not-yours": z.object({}) },
  commands: {
    reserve: command(z.object({ by: z.string() }), (turn, { by }) => {
      if (turn.state.reservation) turn.reject("taken", { by: turn.state.reservation });
      const reservation = `${by}-${turn.state.made + 1}`;
      turn.emit("Reserved", { reservation });
      return { reservation, price: 100 };
    }),
    confirm: command(Reservation, (turn, { reservation }) => {
      if (turn.state.reservation !== reservation) turn.reject("not-yours");
      turn.emit("Confirmed", {});
    }),
    release: command(Reservation, (turn, { reservation }) => {
      if (turn.state.reservation === reservation) turn.emit("Released", {});
    }),
  },
});

/** The world outside: what was charged and paid back, by idempotency key. */
export class Payments {
  readonly charges = new Map<string, { amount: number; isRefunded: boolean }>();
  /** Attempts that were made, whatever came of them. */
  attempts = 0;
  /** So many more attempts fail. */
  failures = 0;

  get balance(): number {
    let sum = 0;
    for (const { amount, isRefunded } of this.charges.values()) if (!isRefunded) sum += amount;
    return sum;
  }

  readonly charge = activity("charge-card", {
    input: z.object({ amount: z.int(), card: z.string() }),
    output: z.object({ charge: z.string() }),
    run: (input, { idempotencyKey }) => {
      this.attempts++;
      if (input.card === "declines") return Promise.reject(new FinalError("declined"));
      if (this.failures-- > 0) return Promise.reject(new Error("no answer"));
      this.charges.set(idempotencyKey, { amount: input.amount, isRefunded: false });
      return Promise.resolve({ charge: idempotencyKey });
    },
  });

  readonly refund = activity("refund-card", {
    input: z.object({ charge: z.string() }),
    output: z.object({}),
    run: ({ charge }) => {
      this.attempts++;
      if (this.failures-- > 0) return Promise.reject(new Error("no answer"));
      const charged = this.charges.get(charge);
      if (charged) charged.isRefunded = true;
      return Promise.resolve({});
    },
  });
}

/** DESIGN's example. */
export function bookingOf(payments: Payments) {
  return saga("booking", {
    input: z.object({ seat: z.string(), customer: z.string(), card: z.string() }),
    run: async (step, input) => {
      const reserved = await step.ask("reserve", seat.ref(input.seat).reserve({ by: input.customer }), {
        undo: (reply) => seat.ref(input.seat).release({ reservation: reply.reservation }),
      });
      const paid = await step.perform(
        "charge",
        payments.charge,
        { amount: reserved.price, card: input.card },
        { undo: (output) => [payments.refund, { charge: output.charge }] },
      );
      await step.ask("confirm", seat.ref(input.seat).confirm({ reservation: reserved.reservation }));
      return { charge: paid.charge };
    },
  });
}

/** The status of an instance that there has to be. */
export async function statusOf(world: World, name: string, id: string): Promise<SagaStatus> {
  const status = await world.runtime.sagas.status(name, id);
  if (!status) throw new Error(`There is no ${name}/${id}`);
  return status;
}

/** Types of the events of an instance, in their order. */
export async function journalOf(world: World, actor: string): Promise<string[]> {
  return (await world.events()).filter((event) => event.actor === actor).map(({ type }) => type);
}
