import { activityNameOf } from "../../src/core/activity.ts";
import { invalidKeyReason, isMessageId, parseActorName } from "../../src/core/message.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import type { Registry } from "../../src/runtime/registry.ts";
import type { Row } from "../../src/store/database.ts";
import { type Findings, parsed } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

const ROWS_PER_READ = 2_000;

/** Each message is in one state, with all that belongs to it and nothing else; what it did agrees with the log. */
export async function checkMessages(
  shard: CheckedShard,
  registry: Registry,
  findings: Findings,
): Promise<void> {
  let after = -1;
  while (true) {
    const rows = await shard.database.execute({
      sql:
        `SELECT seq, id, actor, command, input, status, attempts, handled_at, outcome, failures, deliver_at,
          enqueued_at, next_attempt_at, reply_to
        FROM messages WHERE seq > ? ORDER BY seq LIMIT ?`,
      args: [after, ROWS_PER_READ],
    });
    for (const row of rows) {
      after = Number(row[0]);
      const fault = faultOfMessage(row, shard, registry);
      if (fault) findings.add("messages", `message ${row[1]} to ${row[2]}`, fault);
      findings.count(`messages ${row[5]}`);
    }
    if (rows.length < ROWS_PER_READ) break;
  }
  await checkEffects(shard, findings);
  await checkKept(shard, findings);
}

function faultOfMessage(row: Row, shard: CheckedShard, registry: Registry): string | undefined {
  const [, id, actor, command, input, status, attempts, handledAt, outcomeText, failuresText] = row;
  const [deliverAt, enqueuedAt, nextAttemptAt, replyTo] = row.slice(10);
  if (!isMessageId(String(id))) return "its id is none";
  const place = faultOfPlace(String(actor), shard);
  if (place) return place;
  if (!parsed(input)) return "its input is not JSON";
  if (replyTo !== null && !parsed(replyTo)) return "whom it answers is not JSON";
  if (Number(deliverAt) < Number(enqueuedAt)) return "it was to be delivered before it was sent";
  const failures = parsed(failuresText)?.value;
  if (!Array.isArray(failures)) return "its failures are no list";
  const outcome = outcomeText === null
    ? null
    : parsed(outcomeText)?.value as { status?: unknown } | undefined;
  if (outcome === undefined) return "its outcome is not JSON";
  const isSettled = status === "done" || status === "rejected";
  if (isSettled && (outcome?.status !== status || handledAt === null)) {
    return `it is ${status}, and its outcome says ${outcome?.status ?? "nothing"}`;
  }
  if (!isSettled && outcome !== null) return `it is ${status}, and has an outcome`;
  if ((status === "queued" || status === "retrying") && handledAt !== null) {
    return `it is ${status}, and was handled`;
  }
  // An activity whose first attempt runs has no failure yet.
  const isTurn = activityNameOf(String(actor)) === undefined;
  if (status === "retrying" && isTurn && (nextAttemptAt === null || failures.length === 0)) {
    return "it is retried, and there is no failure, or no time for the next attempt";
  }
  if (status === "dead" && failures.length === 0) return "it is a dead letter without a failure";
  if (Number(attempts) < 0) return `it was attempted ${attempts} times`;
  const isPending = status === "queued" || status === "retrying";
  return isPending ? unknownCommand(String(actor), String(command), registry) : undefined;
}

/** Why an actor's rows cannot be in this shard. Activities are performed in the shard that asks for them. */
function faultOfPlace(actor: string, shard: CheckedShard): string | undefined {
  if (activityNameOf(actor) !== undefined) return undefined;
  const { type, key } = parseActorName(actor);
  if (type === "" || invalidKeyReason(key)) return `${actor} is no actor`;
  const home = shardOf(actor, shard.shards);
  return home === shard.number ? undefined : `${actor} belongs into shard ${home}, not ${shard.number}`;
}

function unknownCommand(actor: string, command: string, registry: Registry): string | undefined {
  if (activityNameOf(actor) !== undefined) return undefined;
  const type = registry.actors.get(parseActorName(actor).type);
  return type && !type.commands.has(command)
    ? `it waits, and ${type.name} has no command ${command}`
    : undefined;
}

/** What messages did is in the log; what they did not do is not. An id may be used again after its retention. */
async function checkEffects({ database }: CheckedShard, findings: Findings): Promise<void> {
  const undone = await database.execute({
    sql: `SELECT m.id, m.actor, m.status, min(e.position) FROM messages AS m
      JOIN events AS e ON e.message_id = m.id AND e.actor = m.actor AND e.at >= m.enqueued_at
      WHERE m.status <> 'done' GROUP BY m.seq LIMIT 20`,
  });
  for (const [id, actor, status, position] of undone) {
    findings.add(
      "messages",
      `message ${id} to ${actor}`,
      `it is ${status}, and there is an event of it at position ${position}`,
    );
  }
  const other = await database.execute({
    sql: `SELECT m.id, m.actor, m.outcome ->> 'version', max(e.version) AS version FROM messages AS m
      JOIN events AS e ON e.message_id = m.id AND e.actor = m.actor AND e.at >= m.enqueued_at
      WHERE m.status = 'done'
      GROUP BY m.seq
      HAVING m.outcome ->> 'version' <> max(e.version) OR m.outcome ->> 'position' <> max(e.position) LIMIT 20`,
  });
  for (const [id, actor, told, version] of other) {
    findings.add(
      "messages",
      `message ${id} to ${actor}`,
      `its reply says version ${told}, and its last event is ${version}`,
    );
  }
  const early = await database.execute({
    sql: `SELECT id, actor, outcome ->> 'position' FROM messages WHERE status IN ('done', 'rejected')
      AND outcome ->> 'position' > (SELECT coalesce(max(position), 0) FROM events) LIMIT 20`,
  });
  for (const [id, actor, position] of early) {
    findings.add(
      "messages",
      `message ${id} to ${actor}`,
      `its reply says position ${position}, which the log has not`,
    );
  }
}

/**
 * What an actor, timer or reactor has sent has a row until its retention ends. Rows are forgotten in the order in
 * which they were handled, so none that was handled after one that is still there.
 */
async function checkKept({ database }: CheckedShard, findings: Findings): Promise<void> {
  const forgotten = await database.execute({
    sql: `SELECT e.message_id, e.actor, min(e.position) FROM events AS e
      WHERE e.causation_id IS NOT NULL AND e.at > (SELECT min(handled_at) FROM messages)
        AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.id = e.message_id AND m.actor = e.actor)
      GROUP BY e.message_id, e.actor LIMIT 20`,
  });
  for (const [id, actor, position] of forgotten) {
    const what = `its event is at position ${position}, and the message is not there, though older ones are`;
    findings.add("messages", `message ${id} to ${actor}`, what);
  }
}

/** What waits for other shards can be delivered there. */
export async function checkOutbox(shard: CheckedShard, findings: Findings): Promise<void> {
  const rows = await shard.database.execute({ sql: `SELECT seq, shard, message FROM outbox ORDER BY seq` });
  for (const [seq, target, text] of rows) {
    findings.count("outbox");
    const where = `outbox ${seq} of ${shard.name}`;
    const message = parsed(text)?.value as { id?: unknown; actor?: unknown } | undefined;
    if (!message || !isMessageId(String(message.id)) || typeof message.actor !== "string") {
      findings.add("outbox", where, "it holds no message");
    } else if (Number(target) === shard.number || shardOf(message.actor, shard.shards) !== target) {
      findings.add("outbox", where, `${message.actor} is not in shard ${target}`);
    }
  }
}

/** Timers can fire. */
export async function checkTimers(shard: CheckedShard, findings: Findings): Promise<void> {
  const rows = await shard.database.execute({ sql: `SELECT actor, name, id, due_at, message FROM timers` });
  for (const [actor, name, id, dueAt, text] of rows) {
    findings.count("timers");
    const where = `timer ${name} of ${actor}`;
    const place = faultOfPlace(String(actor), shard);
    const message = parsed(text)?.value as { request?: { type?: unknown; command?: unknown } } | undefined;
    if (place) findings.add("timers", where, place);
    if (!isMessageId(String(id))) findings.add("timers", where, "its id is none");
    if (!Number.isSafeInteger(dueAt)) findings.add("timers", where, `it is due at ${dueAt}`);
    if (typeof message?.request?.type !== "string" || typeof message.request.command !== "string") {
      findings.add("timers", where, "it holds no command");
    }
  }
}

/** Reactors have not answered what has not happened. */
export async function checkCheckpoints(shard: CheckedShard, findings: Findings): Promise<void> {
  const rows = await shard.database.execute({
    sql: `SELECT reactor, position, (SELECT coalesce(max(position), 0) FROM events) FROM checkpoints`,
  });
  for (const [reactor, position, last] of rows) {
    findings.count("checkpoints");
    if (Number(position) > Number(last) || Number(position) < 0) {
      findings.add(
        "checkpoints",
        `${reactor} in ${shard.name}`,
        `it is at ${position}, and the log ends at ${last}`,
      );
    }
  }
}
