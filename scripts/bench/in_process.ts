import { counter } from "../../actors/counter.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { inTemporaryFolder, measure, type Measured, medianBy, percentile } from "./measure.ts";
import { keyOf, measureRawCommits, type Thread } from "./raw_commits.ts";
import { against, count, ms, percent, type Show, times } from "./table.ts";

const KEYS = 1_000;
const SIZES = [1, 64, 256, 1_000];
const FLOOR = 0.6;
const SINGLE_FLOOR = 3;

/** Commands by `runtime.ask` in this process, against raw group commits of the same rows. */
export async function benchInProcess(isQuick: boolean, show: Show): Promise<void> {
  const rounds = isQuick ? 1 : 3;
  const warmUpMs = isQuick ? 200 : 400;
  const durationMs = isQuick ? 500 : 800;
  const rows: string[][] = [];
  for (const size of SIZES) {
    const raw: Record<Thread, Measured[]> = { calling: [], worker: [] };
    const asked: Measured[] = [];
    // In turns, so that whatever else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      for (const thread of ["calling", "worker"] as const) {
        raw[thread].push(
          await inTemporaryFolder((folder) =>
            measureRawCommits(folder, thread, { commands: size, keys: KEYS, warmUpMs, durationMs })
          ),
        );
      }
      asked.push(await inTemporaryFolder((folder) => measureAsk(folder, size, warmUpMs, durationMs)));
    }
    rows.push(rowOf(size, { calling: median(raw.calling), worker: median(raw.worker) }, median(asked)));
  }
  show(
    `In process: raw group commit of the same rows against runtime.ask, ${KEYS} warm actors, 1 shard`,
    [
      "commands",
      "raw, this thread",
      "raw, worker",
      "ask",
      "ratio",
      "raw p50 / p99",
      "ask p50 / p99",
      "floor",
    ],
    rows,
    "commands: in a raw commit; asked at the same time. Rates are commands/s. The ratio is to the better raw.",
  );
}

function median(all: readonly Measured[]): Measured {
  return medianBy(all, ({ perSecond }) => perSecond);
}

function rowOf(size: number, raw: Record<Thread, Measured>, asked: Measured): string[] {
  const ceiling = raw.calling.perSecond > raw.worker.perSecond ? raw.calling : raw.worker;
  const ratio = asked.perSecond / ceiling.perSecond;
  const slower = percentile(asked.latenciesMs, 0.5) / percentile(ceiling.latenciesMs, 0.5);
  return [
    String(size),
    count(raw.calling.perSecond),
    count(raw.worker.perSecond),
    count(asked.perSecond),
    percent(ratio),
    latencies(ceiling),
    latencies(asked),
    size === 1
      ? `${times(slower)} at p50, ${against(slower <= SINGLE_FLOOR, `at most ${SINGLE_FLOOR} x`)}`
      : against(ratio >= FLOOR, `at least ${percent(FLOOR)}`),
  ];
}

function latencies({ latenciesMs }: Measured): string {
  return `${ms(percentile(latenciesMs, 0.5))} / ${ms(percentile(latenciesMs, 0.99))}`;
}

async function measureAsk(
  folder: string,
  concurrency: number,
  warmUpMs: number,
  durationMs: number,
): Promise<Measured> {
  await using runtime = await createRuntime({ modules: [counter], data: folder });
  const keys = Array.from({ length: KEYS }, (_, index) => keyOf(index));
  await Promise.all(keys.map((key) => runtime.ask(counter.ref(key).increment({ by: 1 }))));
  const ask = (call: number) => runtime.ask(counter.ref(keys[call % KEYS] ?? "").increment({ by: 1 }));
  await measure({ concurrency, durationMs: warmUpMs }, ask);
  return await measure({ concurrency, durationMs }, ask);
}
