import { context, trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import { counter } from "../../actors/counter.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/http/app.ts";
import { inTemporaryFolder, measure, medianBy } from "./measure.ts";
import { against, count, printTable } from "./table.ts";

const KEYS = 1_000;
const CONCURRENCY = 256;
const RATIO = 0.01;

/** How a runtime is observed: the cost of each is told as a part of what goes without. */
const ways = ["neither", "metrics", "metrics, traces at 1 %"] as const;
type Way = (typeof ways)[number];
const reaches: Readonly<Record<Way, number | undefined>> = {
  "neither": undefined,
  "metrics": 0.03,
  "metrics, traces at 1 %": 0.05,
};

/**
 * What observing costs: commands in process, and through the app without a socket, in short rounds that take
 * turns, so that whatever else the machine does meets all ways. The ratio is the median of those of the rounds.
 */
export async function benchObserving(isQuick: boolean): Promise<void> {
  const rounds = isQuick ? 7 : 25;
  const durationMs = isQuick ? 300 : 500;
  for (const [title, operation] of [["runtime.ask", ask], ["app.request", request]] as const) {
    const rates = new Map<Way, number[]>(ways.map((way) => [way, []]));
    for (let round = -1; round < rounds; round++) {
      // Each round begins with another one: the first of a round has the machine as it was left.
      const order = [...ways.slice((round + 3) % 3), ...ways.slice(0, (round + 3) % 3)];
      for (const way of order) {
        const rate = await inTemporaryFolder((folder) => measureOne(folder, way, durationMs, operation));
        if (round >= 0) rates.get(way)?.push(rate); // the first only warms up
      }
    }
    printTable(`Observing: ${title}, ${CONCURRENCY} at a time, ${KEYS} warm actors, ${rounds} rounds`, [
      "observed by",
      "commands/s",
      "cost",
      "reach",
    ], ways.map((way) => rowOf(way, rates)));
  }
}

function rowOf(way: Way, rates: ReadonlyMap<Way, readonly number[]>): string[] {
  const own = rates.get(way) ?? [];
  const bare = rates.get("neither") ?? [];
  const costs = own.map((rate, round) => 1 - rate / (bare[round] ?? rate));
  const cost = medianBy(costs, (value) => value);
  const reach = reaches[way];
  return [
    way,
    count(medianBy(own, (value) => value)),
    reach === undefined ? "" : `${(cost * 100).toFixed(1)} %`,
    reach === undefined ? "" : against(cost < reach, `under ${reach * 100} %`),
  ];
}

type Served = {
  readonly runtime: Awaited<ReturnType<typeof createRuntime>>;
  readonly app: ReturnType<typeof createApp>;
};

function ask({ runtime }: Served, key: string): Promise<unknown> {
  return runtime.ask(counter.ref(key).increment({ by: 1 }));
}

async function request({ app }: Served, key: string): Promise<unknown> {
  const response = await app.request(`http://localhost/actors/counter/${key}/increment`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"by":1}',
  });
  return await response.text();
}

async function measureOne(
  folder: string,
  way: Way,
  durationMs: number,
  operation: (served: Served, key: string) => Promise<unknown>,
): Promise<number> {
  const provider = way === "metrics, traces at 1 %" ? register() : undefined;
  try {
    await using runtime = await createRuntime({
      modules: [counter],
      data: folder,
      ...(way === "neither" ? { observe: false } : {}),
    });
    const served = { runtime, app: createApp(runtime) };
    const keys = Array.from({ length: KEYS }, (_, index) => `c${index}`);
    const once = (call: number) => operation(served, keys[call % KEYS] ?? "");
    await measure({ concurrency: CONCURRENCY, durationMs: 200 }, once);
    const { perSecond } = await measure({ concurrency: CONCURRENCY, durationMs }, once);
    return perSecond;
  } finally {
    await provider?.shutdown();
    trace.disable();
    context.disable();
  }
}

/** The SDK of OpenTelemetry as a program sets it up, but for the collector: its cost is not ours. */
function register(): BasicTracerProvider {
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(RATIO) }),
    spanProcessors: [new BatchSpanProcessor(new InMemorySpanExporter())],
  });
  trace.setGlobalTracerProvider(provider);
  return provider;
}
