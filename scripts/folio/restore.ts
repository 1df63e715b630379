import { Command } from "@commander-js/extra-typings";
import { ProgressBar } from "../support/progress_bar.ts";
import { restoreBackup } from "../support/restore.ts";
import type { Terminal } from "../support/terminal.ts";
import { jsonOption, noUrlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** Puts a backup in place, verified. */
export function restore(terminal: Terminal) {
  return new Command("restore")
    .description(
      "Puts a backup in place. Verifies the manifest and every database before anything has its name. Read models " +
        "are made again from the log when a server starts on DEST.",
    )
    .argument("<src>", "backup: a folder that `backup` has made")
    .argument("<dest>", "folder to put it in: a new or empty one, held by no server")
    .addOption(noUrlOption("it is for a folder that no server runs on"))
    .addOption(jsonOption("a line of JSON: what the backup's manifest.json says"))
    .addHelpText("after", examples("restore /backups/2026-01-31 ./data"))
    .action(async (source, target, flags) => {
      using bar = new ProgressBar(terminal, "Restoring", "bytes");
      const manifest = await restoreBackup(source, target, (done, total) => bar.update(done, total));
      bar.finish();
      if (flags.json) return terminal.print(JSON.stringify(manifest));
      const { takenAt, shards } = manifest;
      for (const { file, position } of shards) terminal.print(`${file}: up to position ${position}`);
      terminal.print(`Restored ${source} as of ${takenAt} to ${target}; every check passed`);
      terminal.print(
        `Start it with FOLIO_DATA=${target} FOLIO_SHARDS=${shards.length}; read models are made again from the log`,
      );
    });
}
