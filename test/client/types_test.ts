import { expectTypeOf, test } from "vitest";
import type modules from "../../actors/mod.ts";
import { type Client, createClient } from "../../src/client.ts";

/** Checked by `deno check`, never run: each wrong line must stay a compile error. */
async function _types(client: Client<typeof modules>): Promise<void> {
  const alice = client.account("alice");

  const result = await alice.withdraw({ amount: 5 });
  if (result.ok) {
    expectTypeOf(result.reply).toEqualTypeOf<{ balance: number }>();
    expectTypeOf(result.version).toEqualTypeOf<number>();
    // @ts-expect-error: there is no rejection where there is a reply
    result.rejection;
  } else {
    expectTypeOf(result.rejection.code).toEqualTypeOf<
      "already-open" | "not-open" | "account-closed" | "insufficient-funds"
    >();
    if (result.rejection.code === "insufficient-funds") {
      expectTypeOf(result.rejection.details.balance).toEqualTypeOf<number>();
    }
    // @ts-expect-error: the actor has no such rejection
    if (result.rejection.code === "too-rich") return;
  }

  await client.counter("clicks").increment();
  await client.counter("clicks").increment({}, { waitSeconds: 1 });
  const counted = await client.counter("clicks").reset();
  if (!counted.ok) {
    expectTypeOf(counted.rejection).toEqualTypeOf<{ readonly code: string; readonly details: unknown }>();
  }
  // @ts-expect-error: the amount must be there
  await alice.withdraw({});
  // @ts-expect-error: the input must be there
  await alice.withdraw();
  // @ts-expect-error: the amount is a number
  await alice.withdraw({ amount: "5" });
  // @ts-expect-error: there is no such command
  await alice.rob({ amount: 5 });
  // @ts-expect-error: only the timer of the hold sends it
  await client.seat("1A").expire({ reservation: "r1" });
  // @ts-expect-error: neither way
  await client.seat("1A").$send("expire", { reservation: "r1" });
  // @ts-expect-error: there is no such actor type
  client.acount("alice");
  // @ts-expect-error: versions are numbers
  await alice.withdraw({ amount: 5 }, { expectedVersion: "1" });

  expectTypeOf(await alice.$state()).toEqualTypeOf<
    | {
      readonly state: { open: boolean; closed: boolean; owner: string; balance: number };
      readonly version: number;
    }
    | undefined
  >();

  await alice.$send("deposit", { amount: 5 }, { delay: "15m" });
  await client.counter("clicks").$send("reset");
  // @ts-expect-error: not the input of a deposit
  await alice.$send("deposit", { owner: "Alice" });
  // @ts-expect-error: there is no such command
  await alice.$send("rob", { amount: 5 });
  // @ts-expect-error: not a duration
  await alice.$send("deposit", { amount: 5 }, { delay: "soon" });

  for (const event of (await client.$events()).events) {
    if (event.type === "Withdrawn") expectTypeOf(event.payload).toEqualTypeOf<{ amount: number }>();
    if (event.type === "Opened") expectTypeOf(event.actor).toEqualTypeOf<`account/${string}`>();
    // @ts-expect-error: there is no such event
    if (event.type === "Robbed") break;
  }
  for await (const event of client.$follow({ type: "Withdrawn" })) {
    expectTypeOf(event.payload).toEqualTypeOf<{ amount: number }>();
  }
  // @ts-expect-error: there is no such event
  client.$follow({ type: "Robbed" });
}

test("a client without modules has no actors, in its types", () => {
  const client = createClient("http://folio.test");
  // @ts-expect-error: of which modules?
  client.account("alice");
});
