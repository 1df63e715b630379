/**
 * Runs the real engine under seeds: clients, faults, crashes, all on virtual time. Holds what they saw against
 * the log, and prints each seed that breaks a promise, made as small as it goes.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { exam, shrink } from "./simulate/exam.ts";

const usage = `Usage: deno task simulate [--seeds 200] [--seed N [--calls N] [--clients N] [--trace]]

  --seeds    so many seeds, from --from (chosen by the time unless given)
  --seed     one seed only; --trace prints the log that it leaves`;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "200" },
      from: { type: "string" },
      seed: { type: "string" },
      calls: { type: "string", default: "12" },
      clients: { type: "string", default: "3" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    Deno.exit(0);
  }
  const size = { calls: Number(values.calls), clients: Number(values.clients) };
  const first = Number(values.seed ?? values.from ?? Date.now() % 1_000_000_000);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const numbers = [first, count, size.calls, size.clients];
  if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
    console.error(`Cannot run: seeds and counts are whole numbers\n\n${usage}`);
    Deno.exit(2);
  }
  const startedAt = performance.now();
  const sums = { crashes: 0, calls: 0, events: 0 };
  const failed: number[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const result = await exam({ seed, ...size });
    sums.crashes += result.crashes;
    sums.calls += result.calls;
    sums.events += result.events;
    if (values.trace) console.log(result.trace);
    if (result.violations.length === 0) continue;
    failed.push(seed);
    const small = values.seed === undefined ? await shrink({ seed, ...size }) : { seed, ...size };
    const { violations } = await exam(small);
    console.log(`Seed ${seed} breaks a promise:\n  ${violations.join("\n  ")}`);
    console.log(
      `  Again: deno task simulate --seed ${seed} --calls ${small.calls} --clients ${small.clients} --trace\n`,
    );
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${count} seeds from ${first}: ${sums.calls} calls, ${sums.events} events, ${sums.crashes} crashes; ` +
      `${failed.length} failed. ${Math.round(count / seconds * 60)} seeds a minute.`,
  );
  Deno.exit(failed.length > 0 ? 1 : 0);
}
