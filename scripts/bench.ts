/**
 * Measures Folio against bare baselines taken in the same run, and prints the ratios. Nothing is asserted:
 * the floors that are meant to be reached stand beside what was.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { benchActivities } from "./bench/activity_bench.ts";
import { benchInProcess } from "./bench/in_process.ts";
import { benchMemory } from "./bench/memory.ts";
import { benchObserving } from "./bench/observe_bench.ts";
import { benchOverHttp } from "./bench/over_http.ts";
import { benchProjections } from "./bench/projection_bench.ts";
import { benchReadYourWrites } from "./bench/read_your_writes.ts";
import { benchShards } from "./bench/shards.ts";
import { benchSagas } from "./bench/saga_bench.ts";
import { benchTimers } from "./bench/timer_bench.ts";
import { endChildren } from "./support/child.ts";

const sections: Record<string, { about: string; run: (isQuick: boolean) => Promise<void> }> = {
  a: { about: "in process, against raw group commits", run: benchInProcess },
  b: { about: "over HTTP, against bare Hono", run: benchOverHttp },
  c: { about: "memory of a million actors", run: benchMemory },
  d: { about: "keyed commands and mailboxes, 1 shard and 4", run: benchShards },
  e: { about: "projections, against a bare loop", run: benchProjections },
  f: { about: "activities, against a bare loop", run: benchActivities },
  g: { about: "timers, against bare commits", run: benchTimers },
  s: { about: "sagas, against their bare rows", run: benchSagas },
  h: { about: "what metrics, traces and the hash chain cost", run: benchObserving },
  q: { about: "queries that see their writes, and lag", run: benchReadYourWrites },
};

const usage = `Usage: deno task bench [--quick] [--only a,b]

  --quick   fewer rounds, shorter ones, fewer actors
  --only    some of the parts:
${Object.entries(sections).map(([name, { about }]) => `            ${name}  ${about}`).join("\n")}`;

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    await endChildren();
    throw error;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: Object.keys(sections).join(",") },
      help: { type: "boolean", default: false },
    },
  });
  const wanted = values.only.split(",");
  const unknown = wanted.filter((name) => !(name in sections));
  if (values.help || unknown.length > 0) {
    if (unknown.length > 0) console.error(`Cannot run: there is no part ${unknown.join(", ")}\n`);
    console.log(usage);
    Deno.exit(unknown.length > 0 ? 2 : 0);
  }
  const startedAt = performance.now();
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load average ${
      Deno.loadavg()[0]?.toFixed(2)
    } ` +
      `at the start${values.quick ? ", quick" : ""}. On a busy machine look at the ratios, not at the rates.`,
  );
  for (const name of wanted) await sections[name]?.run(values.quick);
  console.log(`\nTook ${Math.round((performance.now() - startedAt) / 1_000)} s.`);
}
