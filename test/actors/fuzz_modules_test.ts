import { fc, fuzzModules, type Simulation } from "folio/testing";
import { beforeEach, expect, test } from "vitest";
import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { booking } from "../../actors/booking.ts";
import { checkFraud, createCustomer, notifyChannel } from "../../actors/customers.ts";
import { sendWelcomeEmail } from "../../actors/mail.ts";
import { chargeCard, refundCard } from "../../actors/payments.ts";
import { seat } from "../../actors/seat.ts";
import { transfer } from "../../actors/transfer.ts";
import { user } from "../../actors/user.ts";
import { onboarding, welcome } from "../../actors/welcome.ts";

test("transfers move money, and neither make nor lose any", async () => {
  const keys = ["a", "b"];
  const { events } = await fuzzModules([account, transfer, balances], {
    runs: 15,
    only: ["transfer"],
    inputs: {
      "transfer/start": fc.record({
        from: fc.constantFrom(...keys, "nobody"),
        to: fc.constantFrom(...keys, "nobody"),
        amount: fc.integer({ min: 1, max: 150 }),
      }),
    },
    given: async (sim) => {
      for (const key of keys) {
        await sim.ask(account.ref(key).open({ owner: key }));
        await sim.ask(account.ref(key).deposit({ amount: 100 }));
      }
    },
    check: async (sim) => {
      const states = await Promise.all(keys.map((key) => sim.state(account, key)));
      expect(states.reduce((sum, { state }) => sum + Object(state).balance, 0)).toBe(200);
    },
  });
  for (const end of ["Completed", "Failed", "CompensationDone"]) {
    expect(events[`transfer/${end}`]).toBeGreaterThan(3);
  }
});

test("accounts keep what is promised of them, whatever they are sent", async () => {
  const amount = fc.integer({ min: 1, max: 1_000_000 });
  const { done } = await fuzzModules([account, balances], {
    runs: 15,
    inputs: { "account/deposit": fc.record({ amount }) },
  });
  for (const command of ["open", "deposit", "withdraw", "close"]) {
    expect(done[`account/${command}`]).toBeGreaterThan(1);
  }
});

/** Charges by request, as a payment provider keeps them. */
const charges = new Map<string, { readonly id: string; isRefunded: boolean }>();
beforeEach(() => charges.clear());

const payments = [
  {
    ...chargeCard,
    run: (
      { amount, card }: { amount: number; card: string },
      { idempotencyKey }: { idempotencyKey: string },
    ) => {
      if (card === "declines") return Promise.resolve({ declined: "Card declined" });
      const known = charges.get(idempotencyKey);
      const charge = known ?? { id: `charge-${charges.size + 1}`, isRefunded: false };
      charges.set(idempotencyKey, charge);
      return Promise.resolve({ id: charge.id, amount });
    },
  },
  {
    ...refundCard,
    run: ({ charge }: { charge: string }) => {
      for (const known of charges.values()) if (known.id === charge) known.isRefunded = true;
      return Promise.resolve({ id: `refund-of-${charge}` });
    },
  },
] as const;

test("who pays for a seat has it, and who does not get it has not paid", async () => {
  const { events } = await fuzzModules([seat, booking, ...payments], {
    runs: 15,
    only: ["booking", "seat/reserve"],
    inputs: {
      "booking/start": fc.record({
        customer: fc.constantFrom("Ann", "Bob"),
        seat: fc.constantFrom("a", "b"),
        card: fc.constantFrom("good", "good", "declines"),
      }),
    },
    given: () => charges.clear(),
    check: async (sim) => expect([...charges.values()].filter(isKept)).toHaveLength(await confirmed(sim)),
  });
  for (const end of ["Completed", "Failed"]) expect(events[`booking/${end}`]).toBeGreaterThan(3);
});

const isKept = ({ isRefunded }: { isRefunded: boolean }) => !isRefunded;
/** Bookings that have ended well. */
const confirmed = async (sim: Simulation) =>
  (await sim.events()).filter(({ actor, type }) => actor.startsWith("booking/") && type === "Completed")
    .length;

test("for each sign-up all that follows from it is asked for once, and comes to an end", async () => {
  const mail = { ...sendWelcomeEmail, run: () => Promise.resolve({ mailId: "m" }) };
  const channel = { ...notifyChannel, run: () => Promise.resolve({}) };
  const { events } = await fuzzModules(
    [user, onboarding, welcome, mail, checkFraud, createCustomer, channel],
    {
      runs: 15,
      commandsMax: 6,
      check: async (sim) => {
        const types = (await sim.events()).map(({ type }) => type);
        const count = (wanted: string) => types.filter((type) => type === wanted).length;
        expect(count("Requested")).toBe(4 * count("SignedUp"));
        expect(count("Done") + count("Failed")).toBeGreaterThanOrEqual(count("Requested"));
      },
    },
  );
  expect(events["onboarding/Done"]).toBeGreaterThan(20);
});
