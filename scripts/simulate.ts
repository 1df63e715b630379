/**
 * Runs the real engine under seeds: clients, faults, crashes, processes that overtake each other, clocks that are
 * set, all on virtual time. Holds what the clients saw against the log, and prints each seed that breaks a promise,
 * made as small as it goes.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { exam, shrink } from "./simulate/exam.ts";
import { Tally } from "./simulate/tally.ts";
import { runSeeds } from "./simulate/workers.ts";

const usage = `Usage: deno task simulate [--seeds 1000] [--seed N [--calls N] [--clients N] [--trace]]

  --seeds     so many seeds, from --from (chosen by the time unless given)
  --workers   so many at a time (one a core)
  --seed      one seed only; --trace prints the log that it leaves`;

/** Failing seeds that are made as small as they go. */
const SHRUNK_MAX = 5;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string" },
      workers: { type: "string", default: String(navigator.hardwareConcurrency) },
      seed: { type: "string" },
      calls: { type: "string" },
      clients: { type: "string" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const numberOf = (text: string | undefined) => text === undefined ? undefined : Number(text);
  const size = { calls: numberOf(values.calls), clients: numberOf(values.clients) };
  const from = Number(values.seed ?? values.from ?? Date.now() % 1_000_000_000);
  const seeds = values.seed === undefined ? Number(values.seeds) : 1;
  const workers = Number(values.workers);
  const numbers = [from, seeds, workers, size.calls ?? 0, size.clients ?? 0];
  if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0) || workers === 0) {
    console.error(`Cannot run: seeds and counts are whole numbers\n\n${usage}`);
    return 2;
  }
  const tally = new Tally((seed, violations) =>
    console.log(`Seed ${seed} breaks a promise:\n  ${violations.join("\n  ")}\n`)
  );
  if (values.seed !== undefined) {
    const result = await exam({ seed: from, ...size });
    if (values.trace) console.log(result.trace);
    tally.add(result);
  } else await runSeeds({ from, seeds, workers, ...size }, (result) => tally.add(result));
  for (const { seed, calls, clients } of tally.failed.slice(0, SHRUNK_MAX)) {
    const small = values.seed === undefined ? await shrink({ seed, calls, clients }) : { calls, clients };
    console.log(
      `Again: deno task simulate --seed ${seed} --calls ${small.calls} --clients ${small.clients} --trace`,
    );
  }
  console.log(tally.summary(from));
  return tally.failed.length > 0 ? 1 : 0;
}
