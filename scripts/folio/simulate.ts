import { Command, Option } from "@commander-js/extra-typings";
import { exam, type Failed, shrink } from "../simulate/exam.ts";
import { Tally } from "../simulate/tally.ts";
import { runSeeds } from "../simulate/workers.ts";
import { FoundWrongError, UsageError } from "../support/errors.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom0, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

/** Failing seeds that are made as small as they go. */
const SHRUNK_MAX = 5;

/** Runs the real engine under seeds. */
export function simulate(terminal: Terminal) {
  return new Command("simulate")
    .description(
      "Runs the real engine under seeds: clients, faults, crashes, processes that overtake each other, clocks that are " +
        "set, all on virtual time. Holds what the clients saw against the log, and prints each seed that breaks a " +
        "promise, made as small as it goes. Exit code 1 if there is one.",
    )
    .addOption(new Option("--seeds <n>", "so many seeds").argParser(wholeFrom1).default(1_000))
    .addOption(
      new Option("--from <seed>", "the first of them; chosen by the time unless given").argParser(wholeFrom0),
    )
    .addOption(new Option("--seed <seed>", "this seed only").argParser(wholeFrom0))
    .addOption(
      new Option("--calls <n>", "of each client; chosen by the seed unless given").argParser(wholeFrom1),
    )
    .addOption(
      new Option("--clients <n>", "at the same time; chosen by the seed unless given").argParser(wholeFrom1),
    )
    .addOption(
      new Option("--workers <n>", "seeds at a time; one a core unless given").argParser(wholeFrom1)
        .default(navigator.hardwareConcurrency, "one a core"),
    )
    .option("--trace", "prints what happens with the --seed, and the log it leaves")
    .addOption(jsonOption("a line of JSON for each seed that fails, and one for all of them"))
    .addHelpText(
      "after",
      examples("simulate", "simulate --seeds 2000 --from 1", "simulate --seed 17 --trace"),
    )
    .action(async ({ seeds, from, seed, calls, clients, workers, trace, json }) => {
      if (seed !== undefined && from !== undefined) {
        throw new UsageError("Cannot run: give --seed or --from, not both");
      }
      if (trace && seed === undefined) throw new UsageError("Cannot run: --trace is of one --seed");
      const first = seed ?? from ?? Date.now() % 1_000_000_000;
      const tally = new Tally();
      if (seed === undefined) {
        using bar = new ProgressBar(terminal, "Simulating", "seeds");
        let done = 0;
        await runSeeds({ from: first, seeds, workers, calls, clients }, (result) => {
          tally.add(result);
          bar.update(++done, seeds);
        });
        bar.finish();
      } else {
        const result = await exam({ seed, calls, clients });
        if (trace) terminal.print(result.trace);
        tally.add(result);
      }
      for (const failed of tally.failed.slice(0, SHRUNK_MAX)) {
        const isSmall = trace || calls !== undefined || clients !== undefined;
        terminal.print(told(isSmall ? failed : await shrink(failed), json === true));
      }
      for (const failed of tally.failed.slice(SHRUNK_MAX)) terminal.print(told(failed, json === true));
      terminal.print(json ? JSON.stringify(tally.sums(first)) : tally.summary(first));
      if (tally.failed.length > 0) throw new FoundWrongError();
    });
}

/** What a seed breaks, and how to see it again. */
function told(failed: Failed, isJson: boolean): string {
  const { seed, calls, clients, violations } = failed;
  if (isJson) return JSON.stringify({ seed, calls, clients, violations });
  return `Seed ${seed} breaks a promise:\n  ${violations.join("\n  ")}\n` +
    `  Again: deno task simulate --seed ${seed} --calls ${calls} --clients ${clients} --trace\n`;
}
