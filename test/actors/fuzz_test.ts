import { fc, fuzz } from "folio/testing";
import { expect, test } from "vitest";
import { account } from "../../actors/account.ts";
import { counter } from "../../actors/counter.ts";
import { report } from "../../actors/report.ts";
import { seat } from "../../actors/seat.ts";
import { user } from "../../actors/user.ts";
import { onboarding } from "../../actors/welcome.ts";

// Each says how far it came: a fuzzer that is always turned away at the door finds nothing.

test("counter", () => {
  expect(fuzz(counter).done).toMatchObject({ increment: expect.any(Number), decrement: expect.any(Number) });
});

test("account", () => {
  // What is deposited has no bound of its own: two of the largest amounts are more than can be counted.
  const amount = fc.integer({ min: 1, max: 1_000_000_000 });
  const { events, rejected } = fuzz(account, { inputs: { deposit: fc.record({ amount }) } });
  for (const event of ["Opened", "Deposited", "Withdrawn", "Closed"]) {
    expect(events[event]).toBeGreaterThan(5);
  }
  for (const code of ["already-open", "not-open", "account-closed", "insufficient-funds"]) {
    expect(rejected[code]).toBeGreaterThan(5);
  }
});

test("seat", () => {
  const { events, rejected } = fuzz(seat);
  for (const event of ["Reserved", "Confirmed", "Released", "Expired"]) {
    expect(events[event]).toBeGreaterThan(5);
  }
  for (const code of ["already-reserved", "unknown-reservation", "reservation-ended"]) {
    expect(rejected[code]).toBeGreaterThan(5);
  }
});

test("report", () => {
  const { events, rejected } = fuzz(report);
  for (const event of ["Requested", "Made", "Failed"]) expect(events[event]).toBeGreaterThan(5);
  expect(rejected["already-running"]).toBeGreaterThan(5);
});

test("user and onboarding", () => {
  expect(fuzz(user).rejected["already-signed-up"]).toBeGreaterThan(5);
  const { events } = fuzz(onboarding);
  for (const event of ["Requested", "Done", "Failed"]) expect(events[event]).toBeGreaterThan(5);
});
