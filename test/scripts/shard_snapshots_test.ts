import { expect, onTestFinished, test } from "vitest";
import { takeSnapshots } from "../../scripts/support/shard_snapshots.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { temporaryFolder } from "../store/databases.ts";

const DATABASES = 4;
const TIMES = 100;

/** Databases that another thread counts in, as fast as it can. */
async function startCounting(folder: string): Promise<string[]> {
  const paths = Array.from({ length: DATABASES }, (_, index) => `${folder}/source-${index}.db`);
  for (const path of paths) {
    const database = openLibsqlDatabase({ url: `file:${path}` });
    for (
      const sql of ["PRAGMA journal_mode = WAL", "CREATE TABLE meta (value)", "INSERT INTO meta VALUES (0)"]
    ) {
      await database.execute({ sql });
    }
    await database.close();
  }
  const worker = new Worker(new URL("./lockstep_writer.ts", import.meta.url), { type: "module" });
  onTestFinished(() => worker.terminate());
  const started = new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage(paths);
  await started;
  return paths;
}

// Would catch read transactions that begin one after the other while somebody writes in between.
test("snapshots of several databases are of one instant, and copies are what the snapshots are", async () => {
  const folder = temporaryFolder();
  const sources = await startCounting(folder);
  const seen = new Set<number>();
  for (let time = 0; time < TIMES; time++) {
    const copies = sources.map((source, index) => ({ source, target: `${folder}/copy-${time}-${index}.db` }));
    const snapshots = await takeSnapshots(copies);
    const counts: number[] = [];
    for (const index of copies.keys()) {
      counts.push(Number((await snapshots.query(index, "SELECT value FROM source.meta"))[0]?.[0]));
    }
    const [first = 0] = counts;
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
    expect(first - (counts.at(-1) ?? 0)).toBeLessThanOrEqual(1);
    seen.add(first);
    for (const index of copies.keys()) await snapshots.copy(index);
    snapshots.close();
    for (const [index, { target }] of copies.entries()) {
      const copy = openLibsqlDatabase({ url: `file:${target}` });
      expect(await copy.execute({ sql: "SELECT value FROM meta" })).toEqual([[counts[index]]]);
      await copy.close();
    }
  }
  expect(seen.size).toBeGreaterThan(TIMES / 2);
});
