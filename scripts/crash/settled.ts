import type { Database } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import type { History } from "./history.ts";
import { getJson } from "./requests.ts";

const LOOK_AGAIN_MS = 50;

/** A kind of row that is gone, or is ended, once what it stands for is done. */
const waitingRows = [
  [
    "message",
    "SELECT id, actor, command, status, deliver_at FROM messages WHERE status NOT IN ('done', 'rejected')",
  ],
  ["outbox", "SELECT seq, shard, message FROM outbox"],
  ["timer", "SELECT actor, name, due_at FROM timers"],
] as const;

const archivableRows = [
  // Closed, and so to be archived; the newest event of a shard stays.
  [
    "event to be archived",
    `SELECT actor, version FROM main.events AS e
      WHERE type = 'Sealed' AND position < (SELECT max(position) FROM main.events)
        AND NOT EXISTS (SELECT 1 FROM main.events AS l WHERE l.actor = e.actor AND l.version > e.version)`,
  ],
] as const;

/** What a shard's file says at one moment. */
export interface ShardLook {
  /** What is still to be done, in words. */
  readonly waiting: readonly string[];
  /** Index of the newest commit. */
  readonly index: number;
  /** Position of the newest event. */
  readonly position: number;
}

/** Looks into the file of a shard, whoever has it open. @param archives Whether closed actors are archived. */
export async function lookAtShard(
  database: Database,
  { shard, archives }: { readonly shard: number; readonly archives: boolean },
): Promise<ShardLook> {
  const rowsLeft = archives ? [...waitingRows, ...archivableRows] : waitingRows;
  const [[head] = [], ...found] = await database.batch([
    { sql: "SELECT coalesce(max(idx), 0), (SELECT coalesce(max(position), 0) FROM events) FROM commits" },
    ...rowsLeft.map(([, sql]) => ({ sql })),
  ], "read");
  const waiting = rowsLeft.flatMap(([kind], at) =>
    (found[at] ?? []).map((row) => `${kind} of shard ${shard}: ${row.join(" ")}`)
  );
  return { waiting, index: Number(head?.[0]), position: Number(head?.[1]) };
}

/**
 * Waits until a server has nothing left to do and whoever reads its log has seen all of it, also of commands
 * whose senders were never answered: nobody else waits for those, and they may be due later than the clock of
 * this life says, when that of the last one was ahead.
 *
 * @returns What it is still at after so long, in words; nothing otherwise.
 */
export async function settled(
  url: string,
  folder: string,
  { shards, isRemote = false }: { readonly shards: number; readonly isRemote?: boolean | undefined },
  history: History,
  deadlineMs: number,
): Promise<readonly string[]> {
  const databases = Array.from(
    { length: shards },
    (_, shard) => openLibsqlDatabase({ url: `file:${folder}/shard-${shard}.db` }),
  );
  const endAt = performance.now() + deadlineMs;
  const look = () =>
    Promise.all(databases.map((database, shard) => lookAtShard(database, { shard, archives: !isRemote })));
  try {
    while (true) {
      const before = await look();
      const left = () => Math.max(0, endAt - performance.now());
      const positions = new Map(before.map(({ position }, shard) => [shard, position]));
      const isSeen = await history.eventsUpTo(positions, left()) !== undefined &&
        await history.complete(left());
      const reactors = await busyReactors(url);
      const after = await look();
      const waiting = [
        ...after.flatMap((shard) => shard.waiting),
        ...reactors,
        ...isSeen ? [] : ["readers of the log"],
      ];
      // Had a shard done something meanwhile, what was looked at before could have got work from it.
      const isSame = after.every(({ index }, shard) => index === before[shard]?.index);
      if (waiting.length === 0 && isSame) return [];
      if (left() === 0) return waiting.length === 0 ? ["commits"] : waiting;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}

/** Those that have events to look at, for the first time or again. */
async function busyReactors(url: string): Promise<string[]> {
  const found = await getJson(`${url}/reactors`);
  const reactors = found?.body.reactors as
    | { name: string; lagEvents: number; replay?: unknown }[]
    | undefined;
  if (found?.status !== 200 || !reactors) return [`reactors: ${JSON.stringify(found)}`];
  return reactors.filter(({ lagEvents, replay }) => lagEvents > 0 || replay !== undefined)
    .map((reactor) => `reactor: ${JSON.stringify(reactor)}`);
}
