/** Touches many actors once, with activations bounded as always, and prints what that takes. */
import { counter } from "../../actors/counter.ts";
import { defaultLimits } from "../../src/config.ts";
import { createRuntime } from "../../src/create_runtime.ts";

const CONCURRENCY = 1_000;

const [folder = "", actorsText = "", stepText = ""] = Deno.args;
const actors = Number(actorsText);
const step = Number(stepText);

await using runtime = await createRuntime({ modules: [counter], data: folder });
let next = 0;
let done = 0;
let stepStartedAt = performance.now();
print(0);

await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
  while (next < actors) {
    await runtime.ask(counter.ref(`touched-${next++}`).increment({ by: 1 }));
    done++;
    if (done % step === 0) {
      print(step / ((performance.now() - stepStartedAt) / 1_000));
      stepStartedAt = performance.now();
    }
  }
}));
(globalThis as { gc?: () => void }).gc?.();
print(0);

function print(perSecond: number): void {
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  console.log(
    JSON.stringify({
      done,
      perSecond,
      rss,
      heapUsed,
      heapTotal,
      external,
      activationsMax: defaultLimits.activationsMax,
    }),
  );
}
