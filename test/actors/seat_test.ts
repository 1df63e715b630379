import { type EventOf, given } from "folio/testing";
import { describe, expect, test } from "vitest";
import { seat } from "../../actors/seat.ts";
import { World } from "../support/world.ts";

type Event = EventOf<typeof seat>;

const NOW = Date.UTC(2026, 0, 1);
const HELD_UNTIL = NOW + 15 * 60_000;
const reserved: Event = [
  "Reserved",
  { reservation: "1.r", by: "Ann", price: 4_200, heldUntil: HELD_UNTIL },
];
const confirmed: Event[] = [reserved, ["Confirmed", { reservation: "1.r" }]];
const released: Event[] = [reserved, ["Released", { reservation: "1.r" }]];

describe("reserve", () => {
  test("holds a free seat for 15 minutes, by a timer, and says what it costs", () => {
    const { outcome } = given(seat, []).when("reserve", { by: "Ann" }, { now: NOW, key: "A1" })
      .then([["Reserved", { reservation: "1.id-1", by: "Ann", price: 4_200, heldUntil: HELD_UNTIL }]])
      .thenReply({ reservation: "1.id-1", price: 4_200, heldUntil: HELD_UNTIL });
    expect(outcome.timers).toEqual([{
      name: "hold",
      set: {
        dueAt: HELD_UNTIL,
        request: { type: "seat", key: "A1", command: "expire", input: { reservation: "1.id-1" } },
      },
    }]);
  });

  test("is rejected while the seat is held, and for good once it is confirmed", () => {
    given(seat, [reserved]).when("reserve", { by: "Bob" }, { now: HELD_UNTIL - 1 })
      .then({ rejected: "already-reserved", details: { heldUntil: HELD_UNTIL } });
    given(seat, confirmed).when("reserve", { by: "Bob" }, { now: HELD_UNTIL + 1 })
      .then({ rejected: "already-reserved", details: { heldUntil: null } });
  });

  test("does not wait for a timer that is late", () => {
    given(seat, [reserved]).when("reserve", { by: "Bob" }, { now: HELD_UNTIL }).then([
      ["Expired", { reservation: "1.r" }],
      [
        "Reserved",
        { reservation: "3.id-1", by: "Bob", price: 4_200, heldUntil: HELD_UNTIL + 15 * 60_000 },
      ],
    ]);
  });

  test("needs a name", () => {
    given(seat, []).when("reserve", { by: "" }).then({ failed: /by/ });
  });
});

describe("confirm", () => {
  test("keeps the seat for good, and stops the timer", () => {
    const { outcome } = given(seat, [reserved])
      .when("confirm", { reservation: "1.r" }, { now: HELD_UNTIL - 1 })
      .then([["Confirmed", { reservation: "1.r" }]])
      .thenReply({ reservation: "1.r", by: "Ann" });
    expect(outcome.timers).toEqual([{ name: "hold" }]);
  });

  test("again changes nothing", () => {
    given(seat, confirmed).when("confirm", { reservation: "1.r" }, { now: HELD_UNTIL + 1 }).then([])
      .thenReply({ reservation: "1.r", by: "Ann" });
  });

  test("is rejected once the hold is over, whether or not its timer has come", () => {
    given(seat, [reserved]).when("confirm", { reservation: "1.r" }, { now: HELD_UNTIL })
      .then({ rejected: "reservation-ended" });
    given(seat, released).when("confirm", { reservation: "1.r" }).then({ rejected: "reservation-ended" });
  });

  test("is rejected for a reservation that the seat has not made", () => {
    for (const reservation of ["2.r", "r", "0.r", "-1.r", "1e0.r"]) {
      given(seat, [reserved]).when("confirm", { reservation }).then({ rejected: "unknown-reservation" });
    }
    given(seat, []).when("confirm", { reservation: "1.r" }).then({ rejected: "unknown-reservation" });
  });
});

describe("release", () => {
  test("frees a held seat, and a confirmed one", () => {
    const release: Event = ["Released", { reservation: "1.r" }];
    const { outcome } = given(seat, [reserved]).when("release", { reservation: "1.r" }, { now: NOW })
      .then([release])
      .thenReply({ released: true });
    expect(outcome.timers).toEqual([{ name: "hold" }]);
    given(seat, confirmed).when("release", { reservation: "1.r" }).then([release]);
  });

  // Would catch a saga that cannot be undone because what it holds has expired meanwhile.
  test("of what has ended already is no error, and leaves who has the seat now in peace", () => {
    given(seat, released).when("release", { reservation: "1.r" }).then([]).thenReply({ released: false });
    const again: Event = [
      "Reserved",
      { reservation: "3.s", by: "Bob", price: 4_200, heldUntil: HELD_UNTIL },
    ];
    given(seat, [...released, again]).when("release", { reservation: "1.r" }).then([])
      .thenReply({ released: false });
  });

  test("is rejected for a reservation that the seat has not made", () => {
    given(seat, [reserved]).when("release", { reservation: "9.r" }).then({ rejected: "unknown-reservation" });
  });
});

describe("expire", () => {
  test("frees the seat when its time has come, and not a moment earlier", () => {
    given(seat, [reserved]).when("expire", { reservation: "1.r" }, { now: HELD_UNTIL - 1 }).then([]);
    given(seat, [reserved]).when("expire", { reservation: "1.r" }, { now: HELD_UNTIL })
      .then([["Expired", { reservation: "1.r" }]]);
  });

  test("leaves a confirmed seat and another reservation alone", () => {
    given(seat, confirmed).when("expire", { reservation: "1.r" }, { now: HELD_UNTIL }).then([]);
    given(seat, [reserved]).when("expire", { reservation: "0.q" }, { now: HELD_UNTIL }).then([]);
  });
});

test("a hold ends by itself after 15 minutes, also over a restart", async () => {
  const world = await World.start({ modules: [seat] });
  await world.runtime.ask(seat.ref("A1").reserve({ by: "Ann" }));
  await world.clock.advance("10m");
  await world.restart();
  await world.clock.advance(5 * 60_000 - 1);
  const { state } = await world.runtime.state("seat", "A1");
  expect(state).toMatchObject({ holder: { by: "Ann" } });
  await world.clock.advance(1);
  expect((await world.runtime.state("seat", "A1")).state).toMatchObject({ holder: null });
  expect((await world.events()).map(({ type }) => type)).toEqual(["Reserved", "Expired"]);
});
