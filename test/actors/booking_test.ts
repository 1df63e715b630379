import { given } from "folio/testing";
import { expect, test } from "vitest";
import { booking } from "../../actors/booking.ts";
import { chargeCard, refundCard } from "../../actors/payments.ts";
import { seat } from "../../actors/seat.ts";

const NOW = Date.UTC(2026, 0, 1);
const a1 = seat.ref("A1");
const held = { reservation: "1.r", price: 4_200, heldUntil: NOW + 900_000 };
const paid = { id: "ch-1", amount: 4_200 };
const charge = { amount: 4_200, card: "c" };
const start = () => given(booking, { customer: "Ann", seat: "A1", card: "c" }, { modules: [seat], now: NOW });
const reserved = () => start().asks("reserve", a1.reserve({ by: "Ann" }), { replies: held });
const charged = () => reserved().performs("charge", chargeCard, charge, { gives: paid });
const confirm = a1.confirm({ reservation: "1.r" });
const release = a1.release({ reservation: "1.r" });

test("reserves, charges what the seat costs, and confirms", async () => {
  const { steps } = await charged()
    .asks("confirm", confirm, { replies: { reservation: "1.r", by: "Ann" } })
    .completes({ charge: "ch-1" });
  expect(steps.map(({ name, status }) => [name, status])).toEqual([
    ["reserve", "done"],
    ["charge", "done"],
    ["confirm", "done"],
  ]);
});

test("a seat that somebody else has ends it, and nothing is taken back", async () => {
  await start()
    .asks("reserve", a1.reserve({ by: "Ann" }), { rejects: "already-reserved", details: { heldUntil: null } })
    .fails("already-reserved", { heldUntil: null });
});

test("a card that is declined gives the seat back, and there is nothing to be refunded", async () => {
  await reserved()
    .performs("charge", chargeCard, charge, { gives: { declined: "no funds" } })
    .undoes("reserve", release)
    .fails("card-declined");
});

test("a charge that never comes about gives the seat back", async () => {
  await reserved()
    .performs("charge", chargeCard, charge, { dies: "no answer" })
    .undoes("reserve", release)
    .fails("dead-letter");
});

// Would catch compensations in the order of the steps: the seat must be held until the money is back.
test("what cannot be confirmed is refunded first, and then released", async () => {
  await charged()
    .asks("confirm", confirm, { rejects: "reservation-ended" })
    .undoes("charge", [refundCard, { charge: "ch-1" }])
    .undoes("reserve", release)
    .fails("reservation-ended");
});

test("it gives up after 14 minutes, while the seat is still held, once it knows whether the card was charged", async () => {
  await reserved().passes("840000ms").performs("charge", chargeCard, charge, { gives: paid })
    .undoes("charge", [refundCard, { charge: "ch-1" }])
    .undoes("reserve", release)
    .ends("timed-out");
  await reserved().passes("839999ms").ends("running");
});

test("cancelled before it is confirmed, it takes back what it has done", async () => {
  await charged().asks("confirm", confirm).cancelled("changed my mind")
    .undoes("charge", [refundCard, { charge: "ch-1" }])
    .undoes("reserve", release)
    .ends("cancelled");
});

test("a refund that fails for good leaves it stuck, with the seat still held", async () => {
  await charged()
    .asks("confirm", confirm, { rejects: "reservation-ended" })
    .undoes("charge", [refundCard, { charge: "ch-1" }], { dies: "closed" })
    .ends("stuck");
});
