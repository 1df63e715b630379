/**
 * A flash sale over HTTP: 50,000 orders come in five seconds for 1,000 items, faster than they can be handled.
 * Fails unless each order is answered, exactly as many are sold as there are, and overload is answered with 429
 * and when to come again.
 *
 * ```sh
 * deno task sale [--orders 50000] [--items 1000] [--seconds 5]
 * ```
 */
import { parseArgs } from "node:util";
import { inTemporaryFolder } from "./bench/measure.ts";
import { crowd } from "./sale/crowd.ts";
import { PlainHttp } from "./sale/plain_http.ts";
import { endChild, startChild } from "./support/child.ts";

const { values } = parseArgs({
  options: {
    orders: { type: "string", default: "50000" },
    items: { type: "string", default: "1000" },
    seconds: { type: "string", default: "5" },
  },
});
const orders = Number(values.orders);
const items = Number(values.items);
const perSecond = orders / Number(values.seconds);
/** More than the mailbox of one actor holds: some have to come again. */
const CONNECTIONS = 2_000;

const wait = (delayMs: number) => new Promise<void>((resolve) => setTimeout(resolve, delayMs));

await inTemporaryFolder(async (folder) => {
  const server = startChild("src/main.ts", {
    env: { FOLIO_PORT: "0", FOLIO_DATA: folder, FOLIO_MODULES: "./scripts/sale/item.ts" },
  });
  try {
    const url = String((await server.lineWith("url"))?.url);
    const client = new PlainHttp(new URL(url), CONNECTIONS);
    const { send } = client;
    const stocked = await send("/actors/item/phone/stock", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ count: items }),
    });
    if (!stocked.ok) throw new Error(await stocked.text());

    const depths: number[] = [];
    let isOver = false;
    const watching = (async () => {
      for (; !isOver; await wait(100)) {
        const { shards } = await (await fetch(`${url}/health/ready`)).json();
        depths.push(shards[0].messagesWaiting);
      }
    })();
    const startedAt = performance.now();
    let heardAt = NaN;
    const sale = await crowd(send, {
      orders,
      perSecond,
      pause: (seconds) => wait(seconds * 1_000),
      allHeard: () => heardAt = performance.now(),
    });
    const seconds = (performance.now() - startedAt) / 1_000;
    isOver = true;
    await watching;
    const recorded = await soldInLog(url);
    const { shards } = await (await fetch(`${url}/health/ready`)).json();

    const heardSeconds = ((heardAt - startedAt) / 1_000).toFixed(1);
    console.log(`${orders} orders for ${items} items, ${perSecond} a second`);
    console.log(`each heard within ${heardSeconds} s, and answered for good within ${seconds.toFixed(1)} s`);
    console.log(`sold ${sale.sold}, sold out ${sale.soldOut}, told to come again ${sale.refusals}`);
    console.log(`queue: ${Math.max(0, ...depths)} at the most, ${shards[0].messagesWaiting} in the end`);
    const checks: [string, boolean][] = [
      ["each order is answered", sale.sold + sale.soldOut === orders && sale.odd.size === 0],
      ["as many are sold as there are", sale.sold === Math.min(items, orders)],
      ["the log has each sale once", recorded.length === sale.sold && new Set(recorded).size === sale.sold],
      ["the queue has emptied", shards[0].messagesWaiting === 0],
    ];
    for (const [what, holds] of checks) console.log(`${holds ? "yes" : "NO "}  ${what}`);
    for (const [what, count] of sale.odd) console.log(`     ${count} times ${what}`);
    if (!checks.every(([, holds]) => holds)) Deno.exitCode = 1;
    client.close();
  } finally {
    await endChild(server);
  }
});

/** The orders of all sales in the log. */
async function soldInLog(url: string): Promise<string[]> {
  const found: string[] = [];
  for (let after = 0, hasMore = true; hasMore;) {
    const page = await (await fetch(`${url}/actors/item/phone/events?after=${after}&limit=1000`)).json();
    for (const { type, payload } of page.events) if (type === "Sold") found.push(payload.order);
    ({ next: after, hasMore } = page);
  }
  return found;
}
