/**
 * Checks a folder that no server holds: that its books are whole and agree with each other. Changes nothing.
 *
 * @module
 */
import { DatabaseError } from "../src/store/database.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { printable, runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData } from "./support/store_folder.ts";
import { parseNotedHead } from "./verify/chain.ts";
import { Findings } from "./verify/findings.ts";
import { verifyFolder } from "./verify/folder.ts";

const usage = `Usage: deno task verify [FOLDER] [--modules FILE] [--head HEAD]... [--json]

  FOLDER      what to check (FOLIO_DATA, or ./data); no server may hold it: stop it, or check a backup
  --modules   whose default export lists the modules (FOLIO_MODULES, or ./actors/mod.ts)
  --head      the end of a hash chain as it was printed earlier: the chain still has to go through it
  --json      one line of JSON: isSound, total, findings, counts, notes, heads

Changes nothing. Checks that files are whole; positions and versions run without gaps; events fit their schemas;
snapshots and projections are what the events give; messages, outboxes, timers and checkpoints agree with the
log, and commits with the tables; nothing was lost between shards. Where a server runs with FOLIO_CHAIN=1, that
the log is the one its hash chain was made of. Who rewrites all of a chain is not found out by that alone: note
the heads elsewhere, and give them with --head.

Ends with 0 when all is well, 1 when something is wrong, 2 when the folder cannot be checked.

  deno task verify
  deno task verify /backups/2026-01-31 --json
  deno task verify --head 0.1234.mMhMU_aaAQwcQm_qhCjQlAsByJI9U0vlwk3lvv1Zx2Q`;

await runScript({
  usage,
  options: {
    modules: { type: "string", default: defaultModules() },
    head: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  },
}, async (flags, words) => {
  const [path = defaultData(), ...others] = words;
  if (others.length > 0) throw new UsageError("Cannot verify: name one folder");
  const heads = flags.head.map(parseNotedHead);
  const findings = new Findings();
  try {
    await verifyFolder(path, await loadRegistry(flags.modules), findings, heads);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    const cause = error.cause instanceof DatabaseError ? error.cause.code : "";
    if (!/CORRUPT|NOTADB/.test(cause)) throw new UsageError(error.message, { cause: error });
    findings.add("file", path, error.message);
  }
  report(path, findings, flags.json);
  if (findings.total > 0) Deno.exit(1);
});

function report(path: string, { told, total, counts, notes, heads }: Findings, isJson: boolean): void {
  if (isJson) {
    const isSound = total === 0;
    console.log(
      JSON.stringify({ isSound, total, findings: told, counts: Object.fromEntries(counts), notes, heads }),
    );
    return;
  }
  const looked = [...counts].map(([what, count]) => `${count} ${what}`).join(", ") || "nothing";
  console.log(printable(`${path}: ${looked}`));
  for (const head of heads) console.log(`Head of a hash chain: ${head}`);
  for (const note of notes) console.log(printable(`Note: ${note}.`));
  for (const { check, where, what } of told) console.log(printable(`${check}: ${where}: ${what}`));
  if (total > told.length) console.log(`… and ${total - told.length} more`);
  console.log(total === 0 ? "All is well." : `${total} ${total === 1 ? "thing is" : "things are"} wrong.`);
}
