import { z } from "zod";
import { defaultLimits } from "../../src/config.ts";
import type { AnyActor } from "../../src/core/actor.ts";
import { type EventDefinition, type RecordedEvent, upcast } from "../../src/core/event.ts";
import { parseActorName } from "../../src/core/message.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { evolve } from "../../src/runtime/evolve.ts";
import type { Registry } from "../../src/runtime/registry.ts";
import type { Database } from "../../src/store/database.ts";
import { eventRows, eventsOf } from "../../src/store/events.ts";
import { readMostlyShortPage } from "../../src/store/page.ts";
import type { Findings } from "./findings.ts";
import type { SagaWaits } from "./sagas.ts";

const EVENTS_PER_READ = 2_000;
const { pageBytesMax: bytesMax } = defaultLimits;

/** A shard that is looked into. */
export interface CheckedShard {
  readonly number: number;
  /** How many there are. */
  readonly shards: number;
  readonly database: Database;
  /** For messages: its file's name. */
  readonly name: string;
}

/** Positions of a log run from 1 without gaps, and its times never go back. */
export async function checkLog({ database, name }: CheckedShard, findings: Findings): Promise<void> {
  const [row] = await database.execute({
    sql: `SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM events`,
  });
  const [count = 0, first = 1, last = 0] = (row ?? []).map(Number);
  findings.count("events", count);
  if (first !== 1) findings.add("log", name, `it begins at position ${first}`);
  if (count !== last - first + 1) {
    const gaps = await database.execute({
      sql: `SELECT before, position FROM (
        SELECT position, lag(position) OVER (ORDER BY position) AS before FROM events
      ) WHERE before <> position - 1 LIMIT 20`,
    });
    for (const [before, position] of gaps) {
      findings.add("log", name, `there is nothing between positions ${before} and ${position}`);
    }
  }
  const jumps = await database.execute({
    sql: `SELECT position FROM (
      SELECT position, at, lag(at) OVER (ORDER BY position) AS before FROM events
    ) WHERE before > at LIMIT 20`,
  });
  for (const [position] of jumps) findings.add("log", name, `time goes back at position ${position}`);
}

/** An actor whose events are being read, in order. */
interface Stream {
  readonly name: string;
  readonly actor: AnyActor | undefined;
  version: number;
  state: unknown;
  /** States are only as good as all events before them. */
  isBroken: boolean;
}

/**
 * Each actor's versions run from 1 without gaps, in the order of the log; its events fit their schemas; its
 * snapshot is what its events give.
 *
 * @param waits Is told of each saga.
 */
export async function checkStreams(
  shard: CheckedShard,
  registry: Registry,
  findings: Findings,
  waits: SagaWaits,
): Promise<void> {
  const end = (stream: Stream | undefined) => {
    if (stream && !stream.isBroken) waits.add(stream.name, shard, stream.state);
  };
  const snapshots = new Snapshots(shard, registry, findings);
  let stream: Stream | undefined;
  let after: [actor: string, version: number] = ["", 0];
  let position = 0;
  let read = 0;
  const [counted] = await shard.database.execute({ sql: "SELECT count(*) FROM events" });
  while (true) {
    const source = eventRows({ where: "(actor, version) > (?1, ?2)", order: "actor, version", args: after });
    const bound = { limit: EVENTS_PER_READ, bytesMax };
    const { items: rows, hasMore } = await readMostlyShortPage(shard.database, source, bound);
    findings.progress(read += rows.length, Number(counted?.[0]), `Reading ${shard.name}`);
    for (const row of rows) {
      after = [String(row[1]), Number(row[2])];
      if (stream?.name !== after[0]) {
        end(stream);
        [stream, position] = [begin(after[0], shard, registry, findings), 0];
        findings.count("actors");
        await snapshots.begin(stream);
      }
      const at = `${stream.name} version ${after[1]}`;
      if (after[1] !== stream.version + 1) {
        findings.add("streams", stream.name, `version ${after[1]} comes after ${stream.version}`);
        stream.isBroken = true;
      }
      if (Number(row[0]) < position) {
        findings.add("streams", at, "it stands before an earlier version in the log");
      }
      position = Number(row[0]);
      stream.version = after[1];
      const event = readable(() => eventsOf(shard.number, [row])[0]);
      if (event) fold(stream, event, at, findings);
      else {
        findings.add("events", at, "its payload is not JSON");
        stream.isBroken = true;
      }
      snapshots.reached(stream);
    }
    if (!hasMore) return end(stream);
  }
}

function begin(name: string, shard: CheckedShard, registry: Registry, findings: Findings): Stream {
  const { type } = parseActorName(name);
  const actor = registry.actors.get(type);
  if (!actor) findings.note(`Events of ${type} actors were not read: there is no such type in the modules`);
  const home = shardOf(name, shard.shards);
  if (home !== shard.number) {
    findings.add("streams", name, `it belongs into shard ${home}, not ${shard.number}`);
  }
  return { name, actor, version: 0, state: actor?.initialState(), isBroken: !actor };
}

function fold(stream: Stream, event: RecordedEvent, at: string, findings: Findings): void {
  if (!stream.actor) return;
  const definition = stream.actor.events.get(event.type);
  if (!definition) {
    findings.add("events", at, `${stream.actor.name} has no event ${event.type}`);
    stream.isBroken = true;
    return;
  }
  const fault = faultOf(definition, event);
  if (fault !== undefined) findings.add("events", at, `${event.type} does not fit its schema: ${fault}`);
  if (stream.isBroken) return;
  try {
    stream.state = evolve(stream.actor, stream.state, event);
  } catch (error) {
    findings.add("events", at, error instanceof Error ? error.message : String(error));
    stream.isBroken = true;
  }
}

/** Whether a schema takes what it gives: one that transforms does not, and an upcast has to be trusted. */
const comparable = new WeakMap<z.ZodType, boolean>();

function faultOf(definition: EventDefinition, event: RecordedEvent): string | undefined {
  try {
    const payload = upcast(definition, event.schemaVersion, event.payload);
    let isComparable = comparable.get(definition.schema);
    if (isComparable === undefined) {
      isComparable = readable(() => z.toJSONSchema(definition.schema, { io: "output" })) !== undefined;
      comparable.set(definition.schema, isComparable);
    }
    if (!isComparable) return undefined;
    const result = definition.schema.safeParse(payload);
    const issue = result.error?.issues[0];
    return issue && `${issue.path.join(".") || "payload"}: ${issue.message}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Compares snapshots with states, as the streams come to their versions. */
class Snapshots {
  #version = 0;
  #text = "";

  constructor(
    private readonly shard: CheckedShard,
    private readonly registry: Registry,
    private readonly findings: Findings,
  ) {}

  async begin({ name }: Stream): Promise<void> {
    const [row] = await this.shard.database.execute({
      sql: `SELECT s.version, s.fingerprint, s.state, (SELECT max(version) FROM events WHERE actor = ?1)
        FROM snapshots AS s WHERE s.actor = ?1`,
      args: [name],
    });
    this.#version = 0;
    if (!row) return;
    const [version, fingerprint, state, last] = row;
    if (Number(version) > Number(last)) {
      this.findings.add("snapshots", name, `it is of version ${version}, and the last event is ${last}`);
    }
    // One that other code has made is never used.
    if (fingerprint !== this.registry.actors.get(parseActorName(name).type)?.fingerprint) return;
    [this.#version, this.#text] = [Number(version), String(state)];
  }

  reached(stream: Stream): void {
    if (stream.version !== this.#version || stream.isBroken) return;
    this.findings.count("snapshots");
    const kept = readable(() => JSON.parse(this.#text));
    if (!isEqual(kept, stream.state)) {
      this.findings.add(
        "snapshots",
        stream.name,
        `at version ${stream.version} it is not what the events give`,
      );
    }
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Whether two values are the same JSON; the order of fields does not matter. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]),
  );
}
