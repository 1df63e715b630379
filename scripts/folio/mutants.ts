import { Command, Option } from "@commander-js/extra-typings";
import { titleOf } from "../mutants/attempt.ts";
import { mutants as allMutants } from "../mutants/list.ts";
import type { Mutant } from "../mutants/mutant.ts";
import { misfitOf, type Trial, tryMutants } from "../mutants/run.ts";
import { FoundWrongError, ScriptError, UsageError } from "../support/errors.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Output, Terminal } from "../support/terminal.ts";
import { jsonOption, wholeFrom1 } from "./options.ts";
import { examples } from "./wording.ts";

const NAME_CHARS = 34;

/** Plants known bugs, and shows that the tests or the simulation catch each. */
export function mutants(terminal: Terminal) {
  return new Command("mutants")
    .description(
      "Plants known bugs, one at a time, in a copy of the repository, and shows that the tests or the simulation catch " +
        "each. Exit code 1 when one survives, or does not fit the code any more.",
    )
    .addOption(
      new Option("--only <name>", "this one; may be given more than once")
        .argParser<string[]>((name, all) => [...all ?? [], name]),
    )
    .option("--list", "prints their names, and what is tried to catch them, and checks that they fit")
    .addOption(
      new Option("--timeout <seconds>", "for each run of tests or seeds, at the most").argParser(wholeFrom1)
        .default(120),
    )
    .addOption(
      jsonOption("a line of JSON for each: name, promise, and catches (--list), or seconds and caughtBy"),
    )
    .addHelpText("after", examples("mutants --list", "mutants --only acknowledge-before-durable"))
    .action(async ({ only = [], list, timeout, json }) => {
      const unknown = only.filter((name) => !allMutants.some((mutant) => mutant.name === name));
      if (unknown.length > 0) throw new UsageError(`Cannot run: no mutant is named ${unknown.join(", ")}`);
      const chosen = allMutants.filter(({ name }) => only.length === 0 || only.includes(name));
      const misfits = chosen.flatMap(misfitOf);
      if (misfits.length > 0) throw new ScriptError(misfits.join("\n"));
      const output = { terminal, isJson: json };
      if (list) { for (const mutant of chosen) terminal.print(lineOf(mutant, json === true)); }
      else await tryAll(chosen, timeout * 1_000, output);
    });
}

function lineOf({ name, promise, catches }: Mutant, isJson: boolean): string {
  const titles = catches.map(titleOf);
  if (isJson) return JSON.stringify({ name, promise, catches: titles });
  return `${name.padEnd(NAME_CHARS)} promise ${promise}, ${titles.join("; ")}`;
}

async function tryAll(chosen: readonly Mutant[], timeoutMs: number, output: Output): Promise<void> {
  const { terminal, isJson } = output;
  using bar = new ProgressBar(terminal, "Planting", "mutants");
  let done = 0;
  const trials = await tryMutants(chosen, timeoutMs, {
    healthy: (title, seconds) => {
      if (!isJson) bar.print(`Without a mutant, ${title}: passed in ${seconds.toFixed(1)} s`);
    },
    tried: (trial) => {
      if (done === 0 && !isJson) {
        bar.print(`\n${"mutant".padEnd(NAME_CHARS)} ${"seconds".padStart(7)}  caught by`);
      }
      bar.print(trialText(trial, isJson === true));
      bar.update(++done, chosen.length);
    },
    trouble: (text) => terminal.note(text),
  });
  bar.stop();
  if (!trials) throw new FoundWrongError();
  const survivors = trials.filter(({ caughtBy }) => caughtBy === undefined);
  if (!isJson) terminal.print(`\n${trials.length} mutants, ${trials.length - survivors.length} caught.`);
  if (survivors.length > 0) {
    throw new ScriptError(`Survivors: ${survivors.map(({ mutant }) => mutant.name).join(", ")}`);
  }
}

function trialText({ mutant: { name, promise }, seconds, caughtBy }: Trial, isJson: boolean): string {
  if (isJson) return JSON.stringify({ name, promise, seconds, caughtBy: caughtBy ?? null });
  return `${name.padEnd(NAME_CHARS)} ${seconds.toFixed(1).padStart(7)}  ${
    caughtBy ?? "NOTHING: it survives"
  }`;
}
