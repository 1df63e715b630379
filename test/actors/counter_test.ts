import { given } from "folio/testing";
import { test } from "vitest";
import { counter } from "../../actors/counter.ts";

test("increment adds one, or what it is told", () => {
  given(counter, []).when("increment").then([["Incremented", { by: 1 }]]).thenReply({ value: 1 });
  given(counter, [["Incremented", { by: 4 }]]).when("increment", { by: 38 })
    .then([["Incremented", { by: 38 }]])
    .thenReply({ value: 42 });
});

test("decrement goes below zero", () => {
  given(counter, [["Incremented", { by: 1 }]]).when("decrement", { by: 3 })
    .then([["Decremented", { by: 3 }]])
    .thenReply({ value: -2 });
});

test("reset goes back to zero from anywhere, and is recorded at zero too", () => {
  given(counter, [["Incremented", { by: 7 }], ["Decremented", { by: 2 }]]).when("reset")
    .then([["Reset", {}]])
    .thenReply({ value: 0 });
  given(counter, []).when("reset").then([["Reset", {}]]).thenReply({ value: 0 });
});

test("an amount that is no whole number from 1 to 1,000,000 never reaches the handler", () => {
  for (const by of [0, -1, 1.5, 1_000_001, NaN]) {
    given(counter, []).when("increment", { by }).then({
      failed: /Input of increment does not fit its schema: by: /,
    });
    given(counter, []).when("decrement", { by }).then({
      failed: /Input of decrement does not fit its schema: by: /,
    });
  }
  given(counter, []).when("increment", { by: 1_000_000 }).thenReply({ value: 1_000_000 });
});
