import { inTemporaryFolder } from "../bench/measure.ts";
import { endChild, startChild } from "../support/child.ts";
import { crowd, type Sale } from "./crowd.ts";
import { PlainHttp } from "./plain_http.ts";

/** What a sale has come to. */
export interface SaleReport extends Sale {
  /** Until each order had been answered for the first time, if only with a 429. */
  readonly heardSeconds: number;
  /** Until each was answered for good. */
  readonly seconds: number;
  /** Messages that waited. */
  readonly depth: { readonly most: number; readonly last: number };
  /** What has to hold, and whether it does. */
  readonly checks: readonly (readonly [what: string, holds: boolean])[];
}

/** More than the mailbox of one actor holds: some have to come again. */
const CONNECTIONS = 2_000;

const wait = (delayMs: number) => new Promise<void>((resolve) => setTimeout(resolve, delayMs));

/** What is sold, and how the crowd comes. */
export interface SaleOptions {
  readonly orders: number;
  readonly items: number;
  /** Within which all orders come, however those before them fare. */
  readonly withinSeconds: number;
}

/** Sells items to a crowd, at a server of its own. */
export function runSale({ orders, items, withinSeconds }: SaleOptions): Promise<SaleReport> {
  return inTemporaryFolder(async (folder) => {
    const server = startChild("src/main.ts", {
      env: { FOLIO_PORT: "0", FOLIO_DATA: folder, FOLIO_MODULES: "./scripts/sale/item.ts" },
    });
    let client: PlainHttp | undefined;
    try {
      const url = String((await server.lineWith("url"))?.url);
      client = new PlainHttp(new URL(url), CONNECTIONS);
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
        for (; !isOver; await wait(100)) depths.push(await depthOf(url));
      })();
      const startedAt = performance.now();
      let heardSeconds = NaN;
      const sale = await crowd(send, {
        orders,
        perSecond: orders / withinSeconds,
        pause: (seconds) => wait(seconds * 1_000),
        allHeard: () => heardSeconds = (performance.now() - startedAt) / 1_000,
      });
      const seconds = (performance.now() - startedAt) / 1_000;
      isOver = true;
      await watching;
      const recorded = await soldInLog(url);
      const depth = { most: Math.max(0, ...depths), last: await depthOf(url) };
      const isOnce = recorded.length === sale.sold && new Set(recorded).size === sale.sold;
      const checks = [
        ["each order is answered", sale.sold + sale.soldOut === orders && sale.odd.size === 0],
        ["as many are sold as there are", sale.sold === Math.min(items, orders)],
        ["the log has each sale once", isOnce],
        ["the queue has emptied", depth.last === 0],
      ] as const;
      return { ...sale, heardSeconds, seconds, depth, checks };
    } finally {
      client?.close();
      await endChild(server);
    }
  });
}

async function depthOf(url: string): Promise<number> {
  const { shards } = await (await fetch(`${url}/health/ready`)).json();
  return shards[0].messagesWaiting;
}

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
