import { Command, Option } from "@commander-js/extra-typings";
import { exam, type ExamOptions, shrink } from "../simulate/exam.ts";
import { FoundWrongError, UsageError } from "../support/errors.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom0, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

/** Runs the real engine under seeds. */
export function simulate(terminal: Terminal) {
  return new Command("simulate")
    .description(
      "Runs the real engine under seeds: clients, faults and crashes, all on virtual time. Holds what they saw against " +
        "the log, and prints each seed that breaks a promise, made as small as it goes. Exit code 1 if there is one.",
    )
    .addOption(new Option("--seeds <n>", "so many seeds").argParser(wholeFrom1).default(200))
    .addOption(
      new Option("--from <seed>", "the first of them; chosen by the time unless given").argParser(wholeFrom0),
    )
    .addOption(new Option("--seed <seed>", "this seed only").argParser(wholeFrom0))
    .addOption(new Option("--calls <n>", "of each client").argParser(wholeFrom1).default(12))
    .addOption(new Option("--clients <n>", "at the same time").argParser(wholeFrom1).default(3))
    .option("--trace", "prints the log that the --seed leaves")
    .addOption(jsonOption("a line of JSON for each seed that fails, and one for all of them"))
    .addHelpText(
      "after",
      examples("simulate", "simulate --seeds 2000 --from 1", "simulate --seed 17 --trace"),
    )
    .action(async ({ seeds, from, seed, calls, clients, trace, json }) => {
      if (seed !== undefined && from !== undefined) {
        throw new UsageError("Cannot run: give --seed or --from, not both");
      }
      if (trace && seed === undefined) throw new UsageError("Cannot run: --trace is of one --seed");
      const first = seed ?? from ?? Date.now() % 1_000_000_000;
      const count = seed === undefined ? seeds : 1;
      const startedAt = performance.now();
      const sums = { crashes: 0, calls: 0, events: 0 };
      let failed = 0;
      using bar = new ProgressBar(terminal, "Simulating", "seeds");
      for (let done = 0; done < count; done++) {
        if (count > 1) bar.update(done, count);
        const options = { seed: first + done, calls, clients };
        const result = await exam(options);
        for (const what of ["crashes", "calls", "events"] as const) sums[what] += result[what];
        if (trace) bar.print(result.trace);
        if (result.violations.length === 0) continue;
        failed++;
        bar.print(await told(seed === undefined ? await shrink(options) : options, json === true));
      }
      bar.finish();
      const perMinute = Math.round(count / ((performance.now() - startedAt) / 60_000));
      terminal.print(
        json
          ? JSON.stringify({ seeds: count, first, ...sums, failed, perMinute })
          : `${count} seeds from ${first}: ${sums.calls} calls, ${sums.events} events, ${sums.crashes} crashes; ` +
            `${failed} failed. ${perMinute} seeds a minute.`,
      );
      if (failed > 0) throw new FoundWrongError();
    });
}

/** What a seed breaks, made small, and how to see it again. */
async function told(small: ExamOptions, isJson: boolean): Promise<string> {
  const { violations } = await exam(small);
  const { seed, calls, clients } = small;
  if (isJson) return JSON.stringify({ seed, calls, clients, violations });
  return `Seed ${seed} breaks a promise:\n  ${violations.join("\n  ")}\n` +
    `  Again: deno task simulate --seed ${seed} --calls ${calls} --clients ${clients} --trace\n`;
}
