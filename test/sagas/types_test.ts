/**
 * What a saga's author gets wrong is a compile error. `deno check` runs this file's real assertions: a line below
 * `@ts-expect-error` that compiles makes it fail.
 */
import { activity, actor, command, reactor, saga, type SagaInput, type SagaOutput } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";

/** Whether two types are the same, and not merely assignable. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** Takes `true` only, and no `any`. */
function holds<_Claim extends true>(): void {}

const seats = actor("seat", {
  initialState: () => ({ price: 100 }),
  events: {},
  evolve: {},
  rejections: { taken: z.object({}) },
  commands: {
    reserve: command(z.object({ by: z.string() }), () => ({ reservation: "r1", price: 100 })),
    release: command(z.object({ reservation: z.string() }), () => {}),
    confirm: command(z.object({ reservation: z.string() }), () => {}),
  },
});
const chargeCard = activity("charge-card", {
  input: z.object({ amount: z.int(), card: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => Promise.resolve({ id: "c1" }),
});
const refundCard = activity("refund-card", {
  input: z.object({ charge: z.string() }),
  output: z.object({}),
  run: () => Promise.resolve({}),
});
const Booking = z.object({ seat: z.string(), customer: z.string(), card: z.string() });

const booking = saga("booking", {
  input: Booking,
  run: async (step, input) => {
    holds<Same<typeof input, { seat: string; customer: string; card: string }>>();
    const seat = await step.ask("reserve", seats.ref(input.seat).reserve({ by: input.customer }), {
      undo: (reply) => seats.ref(input.seat).release({ reservation: reply.reservation }),
    });
    holds<Same<typeof seat, { reservation: string; price: number }>>();
    const charge = await step.perform("charge", chargeCard, { amount: seat.price, card: input.card }, {
      undo: (reply) => [refundCard, { charge: reply.id }],
    });
    holds<Same<typeof charge, { id: string }>>();
    await step.ask("confirm", seats.ref(input.seat).confirm({ reservation: seat.reservation }));
    return { charge: charge.id };
  },
});

const party = saga("party", {
  input: z.object({ guests: z.int().default(2) }),
  output: z.object({ charges: z.array(z.string()) }),
  signals: { replied: z.object({ yes: z.boolean() }) },
  deadline: "24h",
  run: async (step, input) => {
    holds<Same<typeof input, { guests: number }>>();
    const [first, second] = await step.all([
      step.child(booking, { seat: "a", customer: "b", card: "c" }),
      step.waitFor("replied", z.object({ yes: z.boolean() }), { within: "1h" }),
    ]);
    holds<Same<typeof first, { charge: string }>>();
    holds<Same<typeof second, { yes: boolean } | undefined>>();
    await step.sleep("1h");
    await step.sleep("nap", "5m");
    const reply = await step.waitFor("replied", z.object({ yes: z.boolean() }));
    holds<Same<typeof reply, { yes: boolean }>>();
    if (step.version("again", 1) > 0 && !reply.yes) step.continueAsNew({ guests: 3 });
    return { charges: [first.charge, `${step.now()}${step.id()}${step.random()}`] };
  },
});

reactor("guests", {
  from: [booking.actor],
  on: {
    "booking/Completed": (_react, event) => holds<Same<typeof event.payload, { output: unknown }>>(),
  },
});

function _wrong(): void {
  saga("wrong", {
    input: Booking,
    run: async (step, input) => {
      // @ts-expect-error -- no such field of the input
      void input.colour;
      // @ts-expect-error -- the activity wants a card
      await step.perform("charge", chargeCard, { amount: 1 });
      await step.perform("charge", chargeCard, { amount: 1, card: "c" }, {
        // @ts-expect-error -- the compensation wants the charge
        undo: (reply) => [refundCard, { payment: reply.id }],
      });
      await step.ask("reserve", seats.ref("1").reserve({ by: "b" }), {
        // @ts-expect-error -- the reply has no such field
        undo: (reply) => seats.ref("1").release({ reservation: reply.id }),
      });
      // @ts-expect-error -- not a duration
      await step.sleep("soon");
      // @ts-expect-error -- the child wants more
      await step.child(booking, { seat: "a" });
      // @ts-expect-error -- not this saga's input
      step.continueAsNew({ guests: 3 });
    },
  });
  // @ts-expect-error -- not the input
  booking.ref("1").start({ seat: 1 });
  // @ts-expect-error -- no such signal
  party.ref("1").signal("shouted", { yes: true });
  // @ts-expect-error -- not its payload
  party.ref("1").signal("replied", { no: true });
}

test("a saga's types follow from its schemas and steps", () => {
  holds<Same<SagaInput<typeof party>, { guests?: number | undefined }>>();
  holds<Same<SagaOutput<typeof booking>, { charge: string }>>();
  expect(booking.ref("1").start({ seat: "a", customer: "b", card: "c" })).toEqual({
    type: "booking",
    key: "1",
    command: "start",
    input: { input: { seat: "a", customer: "b", card: "c" } },
  });
  expect(party.ref("1").signal("replied", { yes: true }).input).toEqual({
    name: "replied",
    payload: { yes: true },
  });
});
