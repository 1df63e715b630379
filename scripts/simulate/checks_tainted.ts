import type { RecordedEvent } from "../../src/mod.ts";
import type { Simulation } from "../../src/testing/mod.ts";
import type { Call } from "./client.ts";
import { type Claim, endOf, LATE_MS_MAX } from "./log.ts";

/** What the store refuses for good comes to nothing, and is kept as a dead letter or said so; nothing else suffers. */
export async function checkTainted(
  sim: Simulation,
  { history, events, shards }: {
    readonly history: readonly Call[];
    readonly events: readonly RecordedEvent[];
    readonly shards: number;
  },
  claim: Claim,
): Promise<void> {
  // What SQLite itself refuses was written by a mistake of ours, which doing it again must not hide.
  const unplanned = sim.logged.find((line) => line.includes("constraint failed"));
  claim(unplanned === undefined, `2 refused though nothing was marked: ${unplanned}`);
  const dead = new Map<string, boolean>();
  for (let shard = 0; shard < shards; shard++) {
    const rows = await sim.rows(
      shard,
      "SELECT id, instr(failures, 'Store refuses') > 0 FROM messages WHERE status = 'dead'",
    );
    for (const [id, isRefused] of rows) dead.set(String(id), isRefused === 1);
  }
  const tainted = new Set(history.filter(({ isTainted }) => isTainted).map(({ id }) => id));
  for (const [id, isRefused] of dead) {
    claim(!isRefused || tainted.has(id), `2 refused for another: ${id} is a dead letter`);
  }
  claim(!events.some(({ type }) => type === "Tainted"), "2 one transaction: what was refused left an event");
  const end = endOf(events);
  for (const { id, isTainted, kind, result, errors, endedAt, deliverAt } of history) {
    if (!isTainted) {
      claim(!errors.includes("store-refused"), `2 refused for another: ${id} was told so`);
      continue;
    }
    claim(kind === "send" || result === undefined, `3 acknowledged means durable: ${id} cannot be on disk`);
    const isDue = endedAt !== undefined && (deliverAt ?? 0) < end - LATE_MS_MAX;
    claim(!isDue || dead.has(id), `9 nothing fails silently: ${id} was taken, and is no dead letter`);
  }
}
