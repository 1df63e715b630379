import { counter } from "../../actors/counter.ts";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { inTemporaryFolder, measure, medianBy } from "./measure.ts";
import { keyOf } from "./raw_commits.ts";
import { count, percent, type Show } from "./table.ts";

const KEYS = 1_000;
const CONCURRENCY = 256;

type Send = (runtime: OpenRuntime, key: string, call: number) => Promise<unknown>;

const ways: readonly (readonly [name: string, send: Send])[] = [
  ["ask", (runtime, key) => runtime.ask(counter.ref(key).increment({ by: 1 }))],
  [
    "ask with an Idempotency-Key",
    (runtime, key, call) => runtime.ask(counter.ref(key).increment({ by: 1 }), { messageId: `key-${call}` }),
  ],
  ["respond-async, until handled", (runtime, key) => runtime.send(counter.ref(key).increment({ by: 1 }))],
];

/** What durable ids and mailboxes cost, and what more shards give, in this process. */
export async function benchShards(isQuick: boolean, show: Show): Promise<void> {
  const rounds = isQuick ? 1 : 3;
  const durationMs = isQuick ? 500 : 1_000;
  const rows: string[][] = [];
  for (const [name, send] of ways) {
    const rates = new Map<number, number[]>([[1, []], [4, []]]);
    for (let round = 0; round < rounds; round++) {
      for (const [shards, all] of rates) {
        all.push(await inTemporaryFolder((folder) => measureWay(folder, shards, send, durationMs)));
      }
    }
    const [one = NaN, four = NaN] = [...rates.values()].map((all) => medianBy(all, (rate) => rate));
    rows.push([name, count(one), count(four), percent(four / one)]);
  }
  show(
    `Shards, in process: commands/s of ${CONCURRENCY} callers on ${KEYS} warm actors`,
    ["way", "1 shard", "4 shards", "4 against 1"],
    rows,
  );
}

async function measureWay(folder: string, shards: number, send: Send, durationMs: number): Promise<number> {
  await using runtime = await createRuntime({ modules: [counter], data: folder, shards });
  const keys = Array.from({ length: KEYS }, (_, index) => keyOf(index));
  await Promise.all(keys.map((key) => runtime.ask(counter.ref(key).increment({ by: 1 }))));
  let calls = 0;
  const next = () => {
    const call = calls++;
    return send(runtime, keys[call % KEYS] ?? "", call);
  };
  await measure({ concurrency: CONCURRENCY, durationMs: durationMs / 3 }, next);
  const { perSecond } = await measure(
    { concurrency: CONCURRENCY, durationMs, finish: () => runtime.drain() },
    next,
  );
  return perSecond;
}
