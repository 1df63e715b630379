import { Command, Option } from "@commander-js/extra-typings";
import { DatabaseError } from "../../src/store/database.ts";
import { FoundWrongError, ScriptError, UsageError } from "../support/errors.ts";
import { loadRegistry } from "../support/modules.ts";
import { printable } from "../support/printable.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Output, Terminal } from "../support/terminal.ts";
import { type NotedHead, parseNotedHead } from "../verify/chain.ts";
import { Findings } from "../verify/findings.ts";
import { verifyFolder } from "../verify/folder.ts";
import { dataOf, dataOption, jsonOption, modulesOf, modulesOption, noUrlOption } from "./options.ts";
import { examples } from "./wording.ts";

const about = `Checks a folder that no server holds: stop it, or check a backup. Changes nothing.

Files are whole; positions and versions run without gaps; events fit their schemas; snapshots and projections are
what the events give; messages, outboxes, timers and checkpoints agree with the log, and commits with the tables;
nothing was lost between shards. Where a server runs with FOLIO_CHAIN=1, the log is the one that its hash chain was
made of. Who rewrites all of a chain is not found out by that alone: note the heads elsewhere, and give them with
--head.

Ends with 0 when all is well, 1 when something is wrong, 2 when the folder cannot be checked.`;

/** Checks that a folder's books are whole and agree with each other. */
export function verify(terminal: Terminal) {
  return new Command("verify")
    .description(about)
    .argument("[folder]", "folder: what to check, the same as --data")
    .addOption(dataOption())
    .addOption(noUrlOption("it checks a folder that no server holds; a backup will do"))
    .addOption(modulesOption())
    .addOption(
      new Option(
        "--head <head...>",
        "end of a hash chain as it was printed earlier: the chain has to go through it",
      ),
    )
    .addOption(jsonOption("a line of JSON: isSound, total, findings, counts, notes, heads"))
    .addHelpText(
      "after",
      examples(
        "verify",
        "verify /backups/2026-01-31 --json",
        "verify --head 0.1234.mMhMU_aaAQwcQm_qhCjQlAsByJI9U0vlwk3lvv1Zx2Q",
      ),
    )
    .action(async (named, flags) => {
      if (named !== undefined && flags.data !== undefined) {
        throw new UsageError("Cannot verify: name one folder");
      }
      const heads = (flags.head ?? []).map(parseNotedHead);
      const path = named ?? dataOf(flags, terminal);
      const registry = await loadRegistry(modulesOf(flags, terminal)).catch(cannotBeChecked);
      const findings = await verified({ path, heads }, registry, terminal);
      report(path, findings, { terminal, isJson: flags.json });
      if (findings.total > 0) throw new FoundWrongError();
    });
}

async function verified(
  { path, heads }: { path: string; heads: readonly NotedHead[] },
  registry: Awaited<ReturnType<typeof loadRegistry>>,
  terminal: Terminal,
): Promise<Findings> {
  let bar: ProgressBar | undefined;
  let about = "";
  const findings = new Findings((done, total, what) => {
    if (what !== about) bar?.finish();
    if (what !== about || !bar) bar = new ProgressBar(terminal, about = what);
    bar.update(done, total);
  });
  try {
    await verifyFolder(path, registry, findings, heads);
    bar?.finish();
  } catch (error) {
    bar?.stop();
    const cause = error instanceof ScriptError && error.cause instanceof DatabaseError
      ? error.cause.code
      : "";
    if (!(error instanceof ScriptError) || !/CORRUPT|NOTADB/.test(cause)) return cannotBeChecked(error);
    findings.add("file", path, error.message);
  }
  return findings;
}

/** That something cannot be checked is another thing than that it is wrong. */
function cannotBeChecked(error: unknown): never {
  if (error instanceof ScriptError) throw new UsageError(error.message, { cause: error });
  throw error;
}

function report(
  path: string,
  { told, total, counts, notes, heads }: Findings,
  { terminal, isJson }: Output,
): void {
  if (isJson) {
    const isSound = total === 0;
    return terminal.print(
      JSON.stringify({ isSound, total, findings: told, counts: Object.fromEntries(counts), notes, heads }),
    );
  }
  const looked = [...counts].map(([what, count]) => `${count} ${what}`).join(", ") || "nothing";
  terminal.print(printable(`${path}: ${looked}`));
  for (const head of heads) terminal.print(`Head of a hash chain: ${head}`);
  for (const note of notes) terminal.print(printable(`Note: ${note}.`));
  for (const { check, where, what } of told) terminal.print(printable(`${check}: ${where}: ${what}`));
  if (total > told.length) terminal.print(`… and ${total - told.length} more`);
  terminal.print(total === 0 ? "All is well." : `${total} ${total === 1 ? "thing is" : "things are"} wrong.`);
}
