import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import modules from "../../actors/mod.ts";
import { type Client, createClient } from "../../src/client.ts";
import { projection, query } from "../../src/core/projection.ts";
import { ledger } from "../support/actors.ts";

/** Checked by `deno check`, never run: each wrong line must stay a compile error. */
async function _types(client: Client<typeof modules>): Promise<void> {
  const { balances } = client.projections;
  const { rows, token } = await balances.byOwner({ owner: "Ann" });
  expectTypeOf(rows).toEqualTypeOf<readonly { account: string; owner: string; balance: number }[]>();
  expectTypeOf(token).toEqualTypeOf<string>();
  await balances.all();
  await balances.all({}, { signal: AbortSignal.timeout(1) });
  await balances.top();
  await balances.top({ limit: 5 });
  await client.after(await client.account("a").withdraw({ amount: 5 })).projections.balances.all();
  await client.after("0.5").after({ token }).account("a").open({ owner: "Ann" });
  // @ts-expect-error: the input must be there
  await balances.byOwner();
  // @ts-expect-error: the owner must be there
  await balances.byOwner({});
  // @ts-expect-error: an owner is a text
  await balances.byOwner({ owner: 5 });
  // @ts-expect-error: a limit is a number
  await balances.top({ limit: "many" });
  // @ts-expect-error: there is no such query
  await balances.byMood({ mood: "good" });
  // @ts-expect-error: names are in camelCase here
  await balances["by-owner"]({ owner: "Ann" });
  // @ts-expect-error: there is no such projection
  await client.projections.balance.all();
  // @ts-expect-error: it has no token
  client.after({ position: 5 });
}

/** The same, of the definition. */
function _definition(): void {
  projection("p", {
    version: 1,
    from: [ledger],
    tables: [],
    on: {
      "ledger/Added": (write, event) => {
        expectTypeOf(event.payload).toEqualTypeOf<{ n: number }>();
        write("DELETE FROM p WHERE n = ?", [event.payload.n]);
        // @ts-expect-error: SQL has no such value
        write("DELETE FROM p WHERE n = ?", [true]);
      },
    },
    queries: {
      of: query(z.object({ n: z.coerce.number() }), z.object({ n: z.int() }), (input) => {
        expectTypeOf(input).toEqualTypeOf<{ n: number }>();
        return ["SELECT n FROM p WHERE n = ?", [input.n]];
      }),
    },
  });
  // @ts-expect-error: there is no such event
  projection("p", { version: 1, from: [ledger], tables: [], on: { "ledger/Lost": () => {} }, queries: {} });
}

test("a client without modules has no projections, in its types", () => {
  const client = createClient("http://folio.test");
  // @ts-expect-error: of which modules?
  void client.projections.balances;
});
