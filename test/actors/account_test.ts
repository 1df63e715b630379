import { type EventOf, given } from "folio/testing";
import { describe, expect, test } from "vitest";
import { account } from "../../actors/account.ts";

type Event = EventOf<typeof account>;

const opened: Event = ["Opened", { owner: "Alice" }];
const closed: Event[] = [opened, ["Closed", {}]];
const deposited = (amount: number): Event => ["Deposited", { amount }];

describe("open", () => {
  test("opens a new account, empty", () => {
    given(account, []).when("open", { owner: "Alice" }).then([opened]).thenReply({ balance: 0 });
  });

  test("is rejected when the account is open, or has been closed", () => {
    given(account, [opened]).when("open", { owner: "Bob" }).then({ rejected: "already-open", details: {} });
    given(account, closed).when("open", { owner: "Bob" }).then({ rejected: "account-closed", details: {} });
  });

  test("needs an owner's name of 1 to 200 characters", () => {
    given(account, []).when("open", { owner: "" }).then({ failed: /owner/ });
    given(account, []).when("open", { owner: "x".repeat(201) }).then({ failed: /owner/ });
  });
});

describe("deposit", () => {
  test("adds to the balance", () => {
    given(account, [opened, deposited(5)]).when("deposit", { amount: 7 })
      .then([deposited(7)])
      .thenReply({ balance: 12 });
  });

  test("is rejected before the account is open and after it is closed", () => {
    given(account, []).when("deposit", { amount: 7 }).then({ rejected: "not-open", details: {} });
    given(account, closed).when("deposit", { amount: 7 }).then({ rejected: "account-closed", details: {} });
  });
});

describe("withdraw", () => {
  test("takes from the balance, down to nothing", () => {
    given(account, [opened, deposited(5)]).when("withdraw", { amount: 5 })
      .then([["Withdrawn", { amount: 5 }]])
      .thenReply({ balance: 0 });
  });

  test("is rejected when the balance is one cent short, and says what it is", () => {
    given(account, [opened, deposited(5)]).when("withdraw", { amount: 6 })
      .then({ rejected: "insufficient-funds", details: { balance: 5 } });
  });

  test("is rejected before the account is open and after it is closed", () => {
    given(account, []).when("withdraw", { amount: 1 }).then({ rejected: "not-open" });
    given(account, closed).when("withdraw", { amount: 1 }).then({ rejected: "account-closed" });
  });
});

describe("close", () => {
  test("closes an open account and keeps its balance", () => {
    const { outcome } = given(account, [opened, deposited(5)]).when("close").then([["Closed", {}]]);
    expect(outcome.state).toEqual({ open: false, closed: true, owner: "Alice", balance: 5 });
    expect(outcome.reply).toEqual({ balance: 5 });
  });

  test("is rejected before the account is open and after it is closed", () => {
    given(account, []).when("close").then({ rejected: "not-open" });
    given(account, closed).when("close").then({ rejected: "account-closed" });
  });
});

test("amounts are whole cents above zero", () => {
  for (const amount of [0, -1, 0.5, Infinity]) {
    given(account, [opened]).when("deposit", { amount }).then({ failed: /amount/ });
    given(account, [opened]).when("withdraw", { amount }).then({ failed: /amount/ });
  }
});
