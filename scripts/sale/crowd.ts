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

/**
 * A crowd that wants the same thing: each order is sent until it is answered for good, no sooner than it was told
 * to come again.
 *
 * @param options `atOnce`: orders on their way at the same time. `pause`: waits so many seconds.
 */
export async function crowd(
  send: Send,
  options: { orders: number; atOnce: number; pause: (seconds: number) => Promise<void> },
): Promise<Sale> {
  const sale = { sold: 0, soldOut: 0, refusals: 0, odd: new Map<string, number>() };
  let next = 0;
  const buyer = async () => {
    while (next < options.orders) {
      const order = `order-${next++}`;
      for (let isAnswered = false; !isAnswered;) {
        const response = await send("/actors/item/phone/order", {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": order },
          body: JSON.stringify({ order }),
        });
        const { code } = await response.json();
        isAnswered = response.status !== 429;
        if (response.status === 200) sale.sold++;
        else if (response.status === 409 && code === "sold-out") sale.soldOut++;
        else if (response.status === 429 && response.headers.has("retry-after")) {
          sale.refusals++;
          await options.pause(Number(response.headers.get("retry-after")));
        } else {sale.odd.set(
            `${response.status} ${code}`,
            (sale.odd.get(`${response.status} ${code}`) ?? 0) + 1,
          );}
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.atOnce, options.orders) }, buyer));
  return sale;
}
