import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { benchActivities } from "../bench/activity_bench.ts";
import { benchInProcess } from "../bench/in_process.ts";
import { benchMemory } from "../bench/memory.ts";
import { benchObserving } from "../bench/observe_bench.ts";
import { benchOverHttp } from "../bench/over_http.ts";
import { benchProjections } from "../bench/projection_bench.ts";
import { benchReadYourWrites } from "../bench/read_your_writes.ts";
import { benchSagas } from "../bench/saga_bench.ts";
import { benchShards } from "../bench/shards.ts";
import { type Show, tableJson, tableText } from "../bench/table.ts";
import { benchTimers } from "../bench/timer_bench.ts";
import { withChildren } from "../support/child.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption } from "./options.ts";
import { examples } from "./wording.ts";

interface Part {
  readonly about: string;
  readonly run: (isQuick: boolean, show: Show) => Promise<void>;
}

const parts: Readonly<Record<string, Part>> = {
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

const names = Object.keys(parts);
const about =
  `Measures Folio against bare baselines taken in the same run, and prints the ratios. Nothing is asserted: the
floors that are meant to be reached stand beside what was.

Parts:
${Object.entries(parts).map(([name, { about }]) => `  ${name}  ${about}`).join("\n")}`;

/** Measures Folio against bare baselines taken in the same run. */
export function bench(terminal: Terminal) {
  return new Command("bench")
    .description(about)
    .option("--quick", "fewer rounds, shorter ones, fewer actors")
    .addOption(
      new Option("--only <parts>", "some of the parts: a,b").argParser(partNames).default(names, "all"),
    )
    .addOption(jsonOption("a line of JSON for each table: part, title, rows, note"))
    .addHelpText("after", examples("bench --quick", "bench --only a,d --json"))
    .action(async ({ quick = false, only, json }) => {
      const startedAt = performance.now();
      if (!json) terminal.print(machine(quick));
      await withChildren(async () => {
        for (const part of only) {
          await parts[part]?.run(quick, (...table) => {
            terminal.print(json ? JSON.stringify({ part, ...tableJson(...table) }) : tableText(...table));
          });
        }
      });
      if (!json) terminal.print(`\nTook ${Math.round((performance.now() - startedAt) / 1_000)} s.`);
    });
}

function partNames(text: string): string[] {
  const wanted = text.split(",");
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length === 0) return wanted;
  throw new InvalidArgumentError(`there is no part ${unknown.join(", ")}`);
}

function machine(isQuick: boolean): string {
  const load = Deno.loadavg()[0]?.toFixed(2);
  return `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load average ${load} at the start${
    isQuick ? ", quick" : ""
  }. On a busy machine look at the ratios, not at the rates.`;
}
