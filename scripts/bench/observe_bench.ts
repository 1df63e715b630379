import process from "node:process";
import { trace } from "@opentelemetry/api";
import { BasicTracerProvider, BatchSpanProcessor, InMemorySpanExporter } from "@opentelemetry/sdk-trace-base";
import { counter } from "../../actors/counter.ts";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/http/app.ts";
import { inTemporaryFolder, measure, percentile } from "./measure.ts";
import { against, type Show } from "./table.ts";

const KEYS = 1_000;
const CONCURRENCY = 256;
const RATIO = 0.01;
const SLICE_MS = 200;
const WARM_UP_MS = 1_500;

/** How a runtime is observed, or its log chained: the cost of each is told as a part of what goes without. */
const ways = ["neither", "metrics", "metrics, traces at 1 %", "hash chain"] as const;
type Way = (typeof ways)[number];
const reaches: Readonly<Record<Way, number | undefined>> = {
  "neither": undefined,
  "metrics": 0.03,
  "metrics, traces at 1 %": 0.05,
  "hash chain": 0.1,
};

/**
 * What observing and the hash chain cost: processor time of a command, in process and through the app without
 * a socket. The runtimes run in one process and take turns in short slices, so that whatever else the machine does meets all;
 * processor time and not rates, because others' work takes time away and hardly adds to it.
 */
export async function benchObserving(isQuick: boolean, show: Show): Promise<void> {
  const rounds = isQuick ? 20 : 60;
  for (const [title, operation] of [["runtime.ask", ask], ["app.request", request]] as const) {
    await inTemporaryFolder(async (folder) => {
      const all = new Map<Way, Served>();
      try {
        for (const way of ways) all.set(way, await serve(`${folder}/${ways.indexOf(way)}`, way));
        const costs = await measureAll(all, operation, rounds);
        show(
          `Observing: ${title}, ${CONCURRENCY} at a time, ${KEYS} warm actors, ${rounds} rounds of ${SLICE_MS} ms`,
          ["with", "processor time of a command", "cost", "reach"],
          ways.map((way) => rowOf(way, costs)),
        );
      } finally {
        for (const { runtime, provider } of all.values()) {
          await runtime[Symbol.asyncDispose]();
          await provider?.shutdown();
        }
      }
    });
  }
}

type Costs = ReadonlyMap<Way, readonly number[]>;
type Operation = (served: Served, key: string) => Promise<unknown>;

async function measureAll(
  all: ReadonlyMap<Way, Served>,
  operation: Operation,
  rounds: number,
): Promise<Costs> {
  const costs = new Map<Way, number[]>(ways.map((way) => [way, []]));
  const slice = async (way: Way, durationMs: number) => {
    const served = all.get(way);
    if (!served) throw new RangeError(`There is no runtime with ${way}`);
    const before = process.cpuUsage();
    let commands = 0;
    await measure({ concurrency: CONCURRENCY, durationMs }, (call) => {
      commands++;
      return operation(served, `c${call % KEYS}`);
    });
    const { user, system } = process.cpuUsage(before);
    return (user + system) / commands;
  };
  for (const way of ways) await slice(way, WARM_UP_MS);
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one: the first has the machine as the last has left it.
    const order = [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)];
    for (const way of order) costs.get(way)?.push(await slice(way, SLICE_MS));
  }
  return costs;
}

function rowOf(way: Way, costs: Costs): string[] {
  const own = costs.get(way) ?? [];
  const bare = costs.get("neither") ?? [];
  const cost = usual(own) / usual(bare) - 1;
  const reach = reaches[way];
  return [
    way,
    `${usual(own).toFixed(1)} µs`,
    reach === undefined ? "" : `${(cost * 100).toFixed(1)} %`,
    reach === undefined ? "" : against(cost < reach, `under ${reach * 100} %`),
  ];
}

/** The lower quartile: what others do to the processor's caches makes slices dearer, and none cheaper. */
function usual(costs: readonly number[]): number {
  return percentile([...costs].sort((a, b) => a - b), 0.25);
}

interface Served {
  readonly runtime: OpenRuntime;
  readonly app: ReturnType<typeof createApp>;
  readonly provider: BasicTracerProvider | undefined;
}

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

async function serve(data: string, way: Way): Promise<Served> {
  const provider = way === "metrics, traces at 1 %" ? register() : undefined;
  const runtime = await createRuntime({
    modules: [counter],
    data,
    chain: way === "hash chain",
    observe: way === "neither" || way === "hash chain" ? false : { traceRatio: RATIO },
  });
  const app = createApp(runtime);
  trace.disable(); // those that have their tracer keep it
  return { runtime, app, provider };
}

/** The SDK of OpenTelemetry as a program sets it up, but for the collector: its cost is not ours. */
function register(): BasicTracerProvider {
  const provider = new BasicTracerProvider({
    spanProcessors: [new BatchSpanProcessor(new InMemorySpanExporter())],
  });
  trace.setGlobalTracerProvider(provider);
  return provider;
}
