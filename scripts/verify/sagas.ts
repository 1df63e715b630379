import { Journal, type StepRecord } from "../../src/core/journal.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { activityNameOf } from "../../src/core/activity.ts";
import { DEADLINE } from "../../src/runtime/saga_ending.ts";
import { timerName } from "../../src/runtime/saga_instance.ts";
import { messageRow } from "./applied.ts";
import type { Findings } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

/** What keeps an instance of a saga going, as its journal says. */
interface Wait {
  /** The instance, and its shard. */
  readonly saga: string;
  readonly shard: CheckedShard;
  /** For messages: what it does meanwhile. */
  readonly step: string;
  readonly timer?: string | undefined;
  readonly message?: { readonly id: string; readonly to: string } | undefined;
}

/** What instances of sagas wait for, as they are come across. */
export class SagaWaits {
  readonly #waits: Wait[] = [];

  /** @param state The instance's state after its last event; of other actors nothing is taken. */
  add(saga: string, shard: CheckedShard, state: unknown): void {
    if (!(state instanceof Journal) || state.isEnded || state.status === "stuck") return;
    const add = (step: string, wait: Pick<Wait, "timer" | "message">) =>
      this.#waits.push({ saga, shard, step, ...wait });
    if (state.status === "running" && typeof state.started?.deadlineAt === "number") {
      add("its deadline", { timer: DEADLINE });
    }
    for (const { name, number, kind, started: { messageId: id, to, dueAt } } of state.pending) {
      if (dueAt !== undefined) add(name, { timer: timerName(state.continued, number) });
      // A saga that it has started answers when it has ended: what that one waits for is looked at, too.
      else if (id !== undefined && to !== undefined && kind !== "child") add(name, { message: { id, to } });
    }
    const undoing = undoneNow(state);
    if (undoing) add(undoing.name, { message: undoing.message });
  }

  /** A step that is in progress has its timer or its message, or there is an answer on its way. */
  async check(shards: readonly CheckedShard[], findings: Findings): Promise<void> {
    for (const wait of this.#waits) {
      findings.count("steps in progress");
      if (await hasNews(wait.shard, wait.saga)) continue;
      const fault = wait.message
        ? await faultOfMessage(wait, wait.message, shards)
        : await faultOfTimer(wait);
      if (fault) findings.add("sagas", wait.saga, `it waits for ${wait.step}, and ${fault}`);
    }
  }
}

function undoneNow({ nextUndo, pending }: Journal) {
  const { name, compensation }: Partial<StepRecord> = nextUndo ?? {};
  if (pending.size > 0 || name === undefined || compensation?.status !== "pending") return undefined;
  return { name, message: { id: compensation.messageId, to: compensation.to } };
}

async function faultOfTimer({ saga, shard, timer = "" }: Wait): Promise<string | undefined> {
  const rows = await shard.database.execute({
    sql: `SELECT 1 FROM timers WHERE actor = ? AND name = ?`,
    args: [saga, timer],
  });
  return rows.length > 0 ? undefined : "its timer is not there";
}

async function faultOfMessage(
  { saga, shard }: Wait,
  { id, to }: { readonly id: string; readonly to: string },
  shards: readonly CheckedShard[],
): Promise<string | undefined> {
  const receiver = activityNameOf(to) === undefined ? shards[shardOf(to, shards.length)] : shard;
  const [, status] = (receiver && await messageRow(receiver, id, to)) ?? [];
  if (status === "queued" || status === "retrying") return undefined;
  if (await isUnderWay(shard, "id", id)) return undefined;
  if (status === undefined) return `its message ${id} to ${to} is not there`;
  // Its answer is sent with its end.
  if (receiver && await isUnderWay(receiver, "actor", saga)) return undefined;
  return `its message ${id} to ${to} is ${status}, and the answer is not there`;
}

/** Whether something that an instance has not handled is in its mailbox, perhaps for good. */
async function hasNews({ database }: CheckedShard, saga: string): Promise<boolean> {
  const rows = await database.execute({
    sql: `SELECT 1 FROM messages WHERE actor = ? AND status IN ('queued', 'retrying', 'dead') LIMIT 1`,
    args: [saga],
  });
  return rows.length > 0;
}

async function isUnderWay({ database }: CheckedShard, part: "id" | "actor", value: string): Promise<boolean> {
  const rows = await database.execute({
    sql: `SELECT 1 FROM outbox WHERE message ->> ? = ? LIMIT 1`,
    args: [part, value],
  });
  return rows.length > 0;
}
