import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import type { Checked } from "./checks.ts";
import { tallyAll } from "./fold.ts";
import { getJson } from "./requests.ts";
import type { Violations } from "./violations.ts";

/** Well beyond what a machine with other work needs. */
const SEEN_MS_MAX = 20_000;

/** What a consistency token names, to the eye. */
export function positionsOf(token: string): Map<number, number> {
  const parts = token.split("_").filter((part) => part !== "");
  return new Map(parts.map((part) => part.split(".").map(Number) as [number, number]));
}

/** What a projection answers is a fold over the log up to the token that it names, whatever is going on. */
export async function checkRows(url: string, { history, violations }: Checked): Promise<void> {
  const asked = history.token;
  const found = await getJson(`${url}/projections/tallies/all`, { headers: { "folio-at-least": asked } });
  if (!found) return; // the server is gone
  const { rows, token } = found.body;
  if (found.status !== 200 || typeof token !== "string") {
    return violations.add(`Projection asked for ${asked} answered ${JSON.stringify(found)}`);
  }
  const positions = positionsOf(token);
  const isSeen = [...positionsOf(asked)].every(([shard, position]) =>
    (positions.get(shard) ?? 0) >= position
  );
  if (!isSeen) violations.add(`Projection was asked for ${asked}, and answered as of ${token}`);
  const events = await history.eventsUpTo(positions, SEEN_MS_MAX);
  if (!events) return violations.add(`Projection is at ${token}, ahead of the log at ${history.token}`);
  const expected = tallyAll(events);
  const [actual, wanted] = [rows, expected].map((each) => JSON.stringify(each));
  if (actual === wanted) return;
  const names = new Map(expected.map((row) => [row.name, JSON.stringify(row)]));
  const wrong = (Array.isArray(rows) ? rows : []).find((row) => names.get(row.name) !== JSON.stringify(row));
  violations.add(
    `Projection's rows at ${token} are no fold: ${JSON.stringify(wrong ?? "one is missing")}, not ${
      names.get(wrong?.name) ?? "there"
    }`,
  );
}

/** The product's own proof says the same. */
export async function checkNoDrift(url: string, { violations }: Checked): Promise<void> {
  const found = await getJson(`${url}/projections/tallies/rebuild?check=true`, { method: "POST" });
  if (found && (found.status !== 200 || found.body.status !== "equal")) {
    violations.add(`Check of the projection found ${JSON.stringify(found)}`);
  }
}

/** Looks into the files themselves, while no server holds them: no checkpoint is ahead of its log. */
export async function checkCheckpoints(
  folder: string,
  shards: number,
  violations: Violations,
): Promise<void> {
  const ends = new Map<number, number>();
  for (let shard = 0; shard < shards; shard++) {
    const rows = await look(`${folder}/shard-${shard}.db`, [
      `SELECT coalesce(max(position), 0) FROM events`,
      `SELECT reactor, position FROM checkpoints WHERE reactor NOT GLOB '*~end'`,
    ]);
    if (!rows) return; // it was killed before there was one
    const [end = 0, checkpoints = []] = [Number(rows[0]?.[0]?.[0]), rows[1]];
    ends.set(shard, end);
    for (const [reactor, position] of checkpoints) {
      if (Number(position) <= end) continue;
      violations.add(`Reactor ${reactor} is at ${position} of shard ${shard}, which ends at ${end}`);
    }
  }
  const rows = await look(`${folder}/read.db`, [
    `SELECT generation, shard, position FROM projection_checkpoints`,
    `SELECT count(*) FROM projections AS p WHERE NOT EXISTS (SELECT 1 FROM generations AS g
      WHERE g.projection = p.name AND g.generation = p.generation)`,
    `SELECT t.name FROM generation_tables AS t WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema AS s
      WHERE s.name = t.name)`,
  ]);
  for (const [generation, shard, position] of rows?.[0] ?? []) {
    const end = ends.get(Number(shard)) ?? 0;
    if (Number(position) <= end) continue;
    violations.add(`Generation ${generation} is at ${position} of shard ${shard}, which ends at ${end}`);
  }
  if (rows && rows[1]?.[0]?.[0] !== 0) violations.add("A projection serves tables that there are not");
  for (const [name] of rows?.[2] ?? []) violations.add(`Table ${name} is gone, and nobody dropped it`);
}

/** Rows of each statement; undefined where the database has no such tables yet. */
async function look(file: string, statements: readonly string[]) {
  try {
    await Deno.stat(file);
  } catch {
    return undefined;
  }
  const database = openLibsqlDatabase({ url: `file:${file}` });
  try {
    const tables = await database.execute({ sql: `SELECT count(*) FROM sqlite_schema` });
    if (tables[0]?.[0] === 0) return undefined;
    return await database.batch(statements.map((sql) => ({ sql })), "read");
  } finally {
    await database.close();
  }
}
