import { pause, percentile, type SoakServer } from "./server.ts";

export interface Overload {
  /** Accepted commands a second, from callers who wait for their answers. */
  readonly capacity: number;
  readonly calmP99Ms: number;
  /** What three times that many did. */
  readonly offered: number;
  readonly accepted: number;
  /** 429 and 503. */
  readonly refused: number;
  /** Other answers, and none. */
  readonly failed: number;
  readonly acceptedP99Ms: number;
  /** From the last request on, until an answer comes as fast as before. */
  readonly recoveredAfterMs: number;
}

/** Some times `overloadMsMax`: what has arrived is worked off, and so is what has arrived meanwhile. */
export const ACCEPTED_P99_MS_MAX = 4_000;

const TURN = { iterations: 150_000 };
const CALLERS = 8;
const TICK_MS = 10;

/** Offers one actor three times what it can do. */
export async function runOverload(server: SoakServer, { seconds }: { seconds: number }): Promise<Overload> {
  const work = async (into: number[]) => {
    const asked = performance.now();
    const status = await server.post("/actors/worker/hot/work", TURN);
    if (status === 200) into.push(performance.now() - asked);
    return status;
  };
  const calm: number[] = [];
  const calmEnd = performance.now() + seconds * 500;
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    while (performance.now() < calmEnd) await work(calm);
  }));
  const capacity = calm.length / (seconds / 2);

  const accepted: number[] = [];
  const counts = { offered: 0, refused: 0, failed: 0 };
  const pending = new Set<Promise<void>>();
  const begun = performance.now();
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed = performance.now() - begun) {
    for (; counts.offered < capacity * 3 * elapsed / 1_000; counts.offered++) {
      const one = work(accepted).then((status) => {
        if (status === 429 || status === 503) counts.refused++;
        else if (status !== 200) counts.failed++;
      }, () => void counts.failed++).finally(() => pending.delete(one));
      pending.add(one);
    }
    await pause(TICK_MS);
  }
  const ended = performance.now();
  await Promise.all(pending);
  const calmP99Ms = percentile(calm, 0.99);
  let again: number[];
  do await work(again = []); while (
    !((again[0] ?? Infinity) <= calmP99Ms) && performance.now() - ended < 60_000
  );
  return {
    capacity,
    calmP99Ms,
    ...counts,
    accepted: accepted.length,
    acceptedP99Ms: percentile(accepted, 0.99),
    recoveredAfterMs: performance.now() - ended,
  };
}
