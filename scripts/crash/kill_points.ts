import { z } from "zod";

/**
 * Where on the way of a commit a process can be ended:
 *
 * - `sealed`: it is made, and has not left the thread of turns;
 * - `begun`: some of its statements have run in its transaction;
 * - `written`: all have, and the transaction is not committed;
 * - `durable`: it is on disk, and its thread has not answered;
 * - `answered`: the thread of turns has the answer, and nobody was told;
 * - `told`: callers have been told, and what follows (relay, timers, activities, projections) has only begun.
 */
export const killPoints = ["sealed", "begun", "written", "durable", "answered", "told"] as const;
export type KillPoint = (typeof killPoints)[number];

/** A point of writes to the shards' databases, or to the one that is read. */
export type KillPlace = readonly [point: KillPoint, database: "shard" | "read"];

/** Of the database with the read models, what makes a difference: rows and checkpoint are one transaction. */
export const killPlaces: readonly KillPlace[] = [
  ...killPoints.map((point) => [point, "shard"] as const),
  ["written", "read"],
  ["durable", "read"],
];

/** What is wrong with the world of one process of the server: when it ends, and what its clock says. */
export const Ordeal = z.object({
  /**
   * Ended at this point of a write to the shards' databases, or to the one that is read: of write number `at`, or of
   * the first one that writes this text.
   */
  kill: z.object({
    point: z.enum(killPoints),
    database: z.enum(["shard", "read"]),
    at: z.union([z.int().positive(), z.string().min(1)]),
  }).optional(),
  /** How far its clock is off when it starts, and from half a second after that on. */
  clockOffMs: z.tuple([z.int(), z.int()]),
});
export type Ordeal = z.output<typeof Ordeal>;

/** The environment variable that says it, in JSON. */
export const ordealVariable = "CRASH_ORDEAL";

/** Ends this process as `kill -9` does, now. */
export function endNow(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  for (;;);
}
