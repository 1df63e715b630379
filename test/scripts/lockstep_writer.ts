/// <reference lib="deno.worker" />
/**
 * Counts in several databases at once, in lockstep: each round reaches them one after the other, so that at any
 * instant the first is at most one ahead of the last.
 */
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

self.onmessage = async ({ data: paths }: MessageEvent<string[]>) => {
  const databases = paths.map((path) => openLibsqlDatabase({ url: `file:${path}` }));
  for (const database of databases) {
    for (const pragma of ["busy_timeout = 5000", "synchronous = OFF"]) {
      await database.execute({ sql: `PRAGMA ${pragma}` });
    }
  }
  for (let round = 1;; round++) {
    for (const database of databases) {
      await database.batch([{ sql: "UPDATE meta SET value = ?", args: [round] }], "write");
    }
    if (round === 1) self.postMessage("counting");
  }
};
