import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { loadRegistry } from "../support/modules.ts";
import { Findings } from "../verify/findings.ts";
import { verifyFolder } from "../verify/folder.ts";
import type { History } from "./history.ts";
import { lookAtShard } from "./settled.ts";
import type { Violations } from "./violations.ts";

const crashModules = new URL("../../test/crash/modules/mod.ts", import.meta.url).href;

/** Looks into the files themselves, once no server holds them. @returns How many events are in archives. */
export async function checkStore(
  folder: string,
  { shards, chain, isRemote = false }: {
    readonly shards: number;
    readonly chain: boolean;
    readonly isRemote?: boolean | undefined;
  },
  history: History,
  violations: Violations,
): Promise<number> {
  let archived = 0;
  for (let shard = 0; shard < shards; shard++) {
    const database = openLibsqlDatabase({
      url: `file:${folder}/shard-${shard}.db`,
      ...isRemote ? {} : { archiveUrl: `file:${folder}/archive-${shard}.db` },
    });
    const expect = async (sql: string, expected: string | number) => {
      const rows = await database.execute({ sql });
      const found = rows.map((row) => row.join(" ")).join("; ");
      if (found !== String(expected)) {
        violations.add(`Shard ${shard}: ${sql} gives ${found}, not ${expected}`);
      }
    };
    await expect(`PRAGMA integrity_check`, "ok");
    const { waiting } = await lookAtShard(database, { shard, archives: !isRemote });
    for (const what of waiting) violations.add(`Nobody waits for it any more: ${what}`);
    const count = history.shards[shard]?.length ?? 0;
    // Each event in one of the two files.
    await expect(`SELECT count(*) FROM events`, count);
    await expect(
      `SELECT count(*) FROM main.events AS e JOIN archived AS a ON a.actor = e.actor AND e.version <= a.version`,
      0,
    );
    const [[own] = []] = await database.execute({ sql: `SELECT count(*) FROM main.events` });
    archived += count - Number(own);
    await expect(`SELECT coalesce(max(position), 0) FROM events`, count);
    await expect(`SELECT max(idx) - min(idx) + 1 - count(*) FROM commits`, 0);
    await database.close();
  }
  const findings = new Findings();
  await verifyFolder(folder, await loadRegistry(crashModules), findings);
  const heads = chain ? history.shards.filter((log) => log.length > 0).length : 0;
  if (findings.heads.length !== heads) {
    violations.add(`There are ${findings.heads.length} hash chains, not ${heads}`);
  }
  if (heads > 0) {
    for (const note of findings.notes) violations.add(`verify notes: ${note}`);
  }
  for (const { check, where, what } of findings.told) violations.add(`verify: ${check}: ${where}: ${what}`);
  return archived;
}
