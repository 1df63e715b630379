/** Sends one request and gives its answer; what `fetch` and a Hono app's `request` have in common. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

/** What became of all orders. */
export interface Sale {
  readonly sold: number;
  readonly soldOut: number;
  /** Answers of 429, each of which was heeded. */
  readonly refusals: number;
  /** Answers that nobody should get, by what they say. */
  readonly odd: ReadonlyMap<string, number>;
}

/** How a crowd comes. */
export interface Coming {
  readonly orders: number;
  /** Orders that arrive in a second, however the ones before them fare; all at once unless given. */
  readonly perSecond?: number;
  /** Waits so many seconds. */
  readonly pause: (seconds: number) => Promise<void>;
  /** Told when each order has been answered for the first time. */
  readonly allHeard?: () => void;
}

/** Orders that arrive at the same moment, where they arrive by the second. */
const TICKS_PER_SECOND = 50;
/** Refusals after which an order does not wait longer for the next one. */
const TIMES_MAX = 5;

/**
 * A crowd that wants the same thing: each order is sent until it is answered for good, no sooner than it was told
 * to come again, and later each time.
 */
export async function crowd(
  send: Send,
  { orders, perSecond = Infinity, pause, allHeard }: Coming,
): Promise<Sale> {
  const sale = { sold: 0, soldOut: 0, refusals: 0, odd: new Map<string, number>() };
  let heard = 0;
  const buy = async (order: string) => {
    for (let times = 1;; times++) {
      const response = await send("/actors/item/phone/order", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": order },
        body: JSON.stringify({ order }),
      });
      const { code } = await response.json();
      if (times === 1 && ++heard === orders) allHeard?.();
      const retryAfter = response.headers.get("retry-after");
      if (response.status === 429 && retryAfter !== null) {
        sale.refusals++;
        await pause(Number(retryAfter) * (1 + Math.random() * Math.min(times, TIMES_MAX)));
        continue;
      }
      if (response.status === 200) sale.sold++;
      else if (response.status === 409 && code === "sold-out") sale.soldOut++;
      else {
        const what = `${response.status} ${code}`;
        sale.odd.set(what, (sale.odd.get(what) ?? 0) + 1);
      }
      return;
    }
  };
  const buying: Promise<void>[] = [];
  for (let tick = 1; buying.length < orders; tick++) {
    const arrived = Math.min(orders, (perSecond * tick) / TICKS_PER_SECOND);
    while (buying.length < arrived) buying.push(buy(`order-${buying.length}`));
    if (buying.length < orders) await pause(1 / TICKS_PER_SECOND);
  }
  await Promise.all(buying);
  return sale;
}
