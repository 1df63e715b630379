import { defaultLimits } from "../../src/config.ts";
import type { AnyProjection } from "../../src/core/projection.ts";
import { EventHandling } from "../../src/processors/event_handling.ts";
import { compareTables } from "../../src/processors/comparison.ts";
import { namesOf, tableNamesOf, tablesOf } from "../../src/processors/generation_tables.ts";
import type { Registry } from "../../src/runtime/registry.ts";
import type { Database } from "../../src/store/database.ts";
import { readLog } from "../../src/store/events.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import {
  type Generation,
  readCheckpoints,
  readGenerations,
  readProjections,
} from "../../src/store/read_store.ts";
import { generationName, renameTables } from "../../src/store/sql_names.ts";
import { fileUrl } from "../support/store_folder.ts";
import type { Findings } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

const EVENTS_PER_READ = 1_000;
/** A number that no generation has come to. */
const REPLAYED = 999_999_999;

/** What serves of each projection is what its log gives, up to where it has come; and that is not ahead of the log. */
export async function checkProjections(
  read: { database: Database; path: string },
  shards: readonly CheckedShard[],
  registry: Registry,
  findings: Findings,
): Promise<void> {
  for (const name of await readProjections(read.database)) {
    const generation = (await readGenerations(read.database, name)).find(({ isServing }) => isServing);
    if (!generation) continue;
    findings.count("projections");
    const checkpoints = await readCheckpoints(read.database, name, generation.generation);
    let isAhead = false;
    for (const [number, position] of checkpoints) {
      const [row] = await shards[number]?.database.execute({
        sql: "SELECT coalesce(max(position), 0) FROM events",
      }) ?? [];
      if (row && position <= Number(row[0])) continue;
      findings.add(
        "projections",
        name,
        `it is at ${position} of shard ${number}, and the log ends at ${row?.[0]}`,
      );
      isAhead = true;
    }
    const projection = registry.projections.get(name);
    if (!projection || projection.version !== generation.version) {
      findings.note(
        `Projection ${name} was not replayed: its version ${generation.version} is not in the modules`,
      );
    } else if (!isAhead) {
      await findings.check(
        "projections",
        name,
        () => replay({ projection, generation, checkpoints }, read.path, shards, registry, findings),
      );
    }
  }
}

async function replay(
  served: { projection: AnyProjection; generation: Generation; checkpoints: ReadonlyMap<number, number> },
  readFile: string,
  shards: readonly CheckedShard[],
  registry: Registry,
  findings: Findings,
): Promise<void> {
  const { projection, generation, checkpoints } = served;
  const folder = await Deno.makeTempDir({ prefix: "folio-verify-" });
  const database = openLibsqlDatabase({ url: fileUrl(`${folder}/replayed.db`) });
  const tables = await tablesOf(projection, { ...generation, generation: REPLAYED });
  try {
    await database.execute({ sql: "PRAGMA journal_mode = OFF" });
    const names = namesOf(projection);
    for (const sql of projection.tables) await database.execute({ sql: renameTables(sql, names, REPLAYED) });
    const handling = new EventHandling(registry, projection, tables);
    const types = [...new Set([...projection.on.keys()].map((key) => key.slice(key.indexOf("/") + 1)))];
    const total = [...checkpoints.values()].reduce((sum, position) => sum + position, 0);
    let passed = 0;
    for (const shard of shards) {
      let after = generation.startsAfter.get(shard.number) ?? 0;
      const upTo = checkpoints.get(shard.number) ?? 0;
      while (true) {
        const { events, end, hasMore } = await readLog(shard.database, shard.number, {
          ...{ after, upTo, types },
          ...{ limit: EVENTS_PER_READ, bytesMax: defaultLimits.pageBytesMax },
        });
        const { handled, fault } = await handling.handle(events);
        await database.batch(handled.flatMap(({ writes }) => writes), "write");
        if (fault) {
          const { position } = fault.event;
          return findings.add(
            "projections",
            projection.name,
            `it fails at position ${position} of ${shard.name}: ${fault.message}`,
          );
        }
        if (!hasMore) break;
        after = end;
        findings.progress(passed + after, total, `Replaying ${projection.name}`);
      }
      passed += upTo;
    }
    await database.execute({ sql: "ATTACH ? AS served", args: [readFile] });
    const { rowsCompared, difference } = await compareTables(
      database,
      tableNamesOf(projection).map((name) => ({
        name,
        served: generationName(name, generation.generation),
        replayed: generationName(name, REPLAYED),
      })),
    );
    findings.count("projection rows", rowsCompared);
    if (difference) {
      const show = (row: unknown) => (row === undefined ? "no row" : JSON.stringify(row));
      findings.add(
        "projections",
        `${projection.name}, table ${difference.table}, ${JSON.stringify(difference.key)}`,
        `${show(difference.served)} serves, and a replay gives ${show(difference.replayed)}`,
      );
    }
    await database.execute({ sql: "DETACH served" });
  } finally {
    await tables.guard.close();
    await database.close();
    await Deno.remove(folder, { recursive: true });
  }
}
