import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { defaultLimits } from "../../src/config.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { readLog } from "../../src/store/events.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import type { Statement } from "../../src/store/database.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";
import { inTemporaryFolder, medianBy } from "./measure.ts";
import { against, count, percent, type Show } from "./table.ts";

const ACCOUNTS = 1_000;
const EVENTS_PER_TRANSACTION = 1_000;
const FLOOR = 0.5;

/** Events/s that a projection gets through, against a bare loop that writes the same rows. */
export async function benchProjections(isQuick: boolean, show: Show): Promise<void> {
  const events = isQuick ? 20_000 : 100_000;
  const rounds = isQuick ? 1 : 3;
  await inTemporaryFolder(async (folder) => {
    await fillLog(folder, events);
    const bare: number[] = [];
    const projected: number[] = [];
    const rebuilt: number[] = [];
    // In turns, so that whatever else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      bare.push(await measureBareLoop(folder, events));
      const { first, again } = await measureProjection(folder, events);
      projected.push(first);
      rebuilt.push(again);
    }
    const ceiling = median(bare);
    const row = (name: string, rate: number) => [
      name,
      count(rate),
      percent(rate / ceiling),
      against(rate / ceiling >= FLOOR, `at least ${percent(FLOOR)}`),
    ];
    show(
      `Projections: ${count(events)} events of ${
        count(ACCOUNTS)
      } accounts into a table with two indexes, 1 shard`,
      ["", "events/s", "ratio", "floor"],
      [
        [`bare loop, ${EVENTS_PER_TRANSACTION} events a transaction`, count(ceiling), "", ""],
        row("projected", median(projected)),
        row("rebuilt, the old rows serving", median(rebuilt)),
      ],
    );
  });
}

async function fillLog(folder: string, events: number): Promise<void> {
  await using runtime = await createRuntime({ modules: [account], data: folder });
  const keys = Array.from({ length: ACCOUNTS }, (_, index) => `bench-${index}`);
  await Promise.all(keys.map((key) => runtime.ask(account.ref(key).open({ owner: key }))));
  for (let at = ACCOUNTS; at < events; at += ACCOUNTS) {
    await Promise.all(keys.map((key) => runtime.ask(account.ref(key).deposit({ amount: 1 }))));
  }
}

/** The ceiling: reads the log and writes the rows, with nothing else around them. */
async function measureBareLoop(folder: string, events: number): Promise<number> {
  const log = await openWorkerDatabase({ url: `file:${folder}/shard-0.db` });
  const rows = await openWorkerDatabase({ url: `file:${folder}/bare.db` });
  try {
    await openShardStore(log, { name: "shard-0.db", shard: 0, shards: 1, isFile: true });
    for (
      const pragma of [
        "journal_mode = WAL",
        "wal_autocheckpoint = 8000",
        "cache_size = -65536",
        "synchronous = NORMAL",
      ]
    ) {
      await rows.execute({ sql: `PRAGMA ${pragma}` });
    }
    await rows.batch(["DROP TABLE IF EXISTS balances", ...balances.tables].map((sql) => ({ sql })), "write");
    const startedAt = performance.now();
    for (let after = 0; after < events; after += EVENTS_PER_TRANSACTION) {
      const { events: page } = await readLog(log, 0, {
        ...{ after, upTo: events, limit: EVENTS_PER_TRANSACTION },
        bytesMax: defaultLimits.pageBytesMax,
      });
      await rows.batch(
        page.map(({ type, actor, payload }) => statementOf(type, actor.slice(8), payload)),
        "write",
      );
    }
    return events / (performance.now() - startedAt) * 1_000;
  } finally {
    await log.close();
    await rows.close();
    for (const suffix of ["", "-wal", "-shm"]) {
      await Deno.remove(`${folder}/bare.db${suffix}`).catch(() => {});
    }
  }
}

function statementOf(type: string, key: string, payload: unknown): Statement {
  const { owner, amount } = payload as { owner: string; amount: number };
  return type === "Opened"
    ? { sql: `INSERT INTO balances VALUES (?, ?, 0)`, args: [key, owner] }
    : { sql: `UPDATE balances SET balance = balance + ? WHERE account = ?`, args: [amount, key] };
}

/** From an empty read database, and then once more beside what serves. */
async function measureProjection(folder: string, events: number): Promise<{ first: number; again: number }> {
  for (const suffix of ["", "-wal", "-shm"]) await Deno.remove(`${folder}/read.db${suffix}`).catch(() => {});
  const startedAt = performance.now();
  await using runtime = await createRuntime({ modules: [account, balances], data: folder });
  await runtime.projections.query("balances", "top", {}, {
    atLeast: new Map([[0, events]]),
    waitMs: 600_000,
  });
  const first = events / (performance.now() - startedAt) * 1_000;
  const rebuiltAt = performance.now();
  await runtime.projections.rebuild("balances");
  await runtime.projections.built();
  return { first, again: events / (performance.now() - rebuiltAt) * 1_000 };
}

function median(rates: readonly number[]): number {
  return medianBy(rates, (rate) => rate);
}
