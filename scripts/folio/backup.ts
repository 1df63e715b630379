import { Command } from "@commander-js/extra-typings";
import { backUp } from "../support/backup.ts";
import type { Manifest } from "../support/manifest.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import type { Terminal } from "../support/terminal.ts";
import { dataOf, dataOption, jsonOption, noUrlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** Copies a folder, while a server may run on it, into a new one. */
export function backup(terminal: Terminal) {
  return new Command("backup")
    .description(
      "Copies a folder. A server may run on it: all shards are copied as they were at one instant, for which commits " +
        "wait some milliseconds. read.db is not copied, since read models are made again from the log. DEST is a " +
        "backup once it has a manifest.json.",
    )
    .argument("<dest>", "folder to copy to: a new or empty one")
    .addOption(dataOption())
    .addOption(
      noUrlOption("run it where the server's folder is, and name that with --data; the server may run"),
    )
    .addOption(jsonOption("a line of JSON: what manifest.json says"))
    .addHelpText(
      "after",
      examples("backup /backups/2026-01-31", "backup /backups/2026-01-31 --data /var/lib/folio"),
    )
    .action(async (target, flags) => {
      const data = dataOf(flags, terminal);
      using bar = new ProgressBar(terminal, "Copying", "bytes");
      const { manifest, lockedMs } = await backUp(data, target, (done, total) => bar.update(done, total));
      bar.finish();
      if (flags.json) return terminal.print(JSON.stringify(manifest));
      for (const line of textOf(manifest)) terminal.print(line);
      const waited = Math.ceil(lockedMs);
      terminal.print(`Backed up ${data} as of ${manifest.takenAt} to ${target}; commits waited ${waited} ms`);
      terminal.print("read.db is not in it: read models are made again from the log");
    });
}

function textOf({ shards, archives }: Manifest): string[] {
  return [
    ...shards.map(({ file, position, bytes }) =>
      `${file}: up to position ${position}, ${bytes.toLocaleString("en")} bytes`
    ),
    ...archives.map(({ file, bytes }) => `${file}: ${bytes.toLocaleString("en")} bytes`),
  ];
}
