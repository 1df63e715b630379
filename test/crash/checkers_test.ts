/** What the crash test holds sagas, timers and volleys to: each of these logs must be found wanting. */
import { describe, expect, test } from "vitest";
import { Alarms } from "../../scripts/crash/alarms.ts";
import type { SeenEvent } from "../../scripts/crash/fold.ts";
import { Moves } from "../../scripts/crash/moves.ts";
import { lookAtShard } from "../../scripts/crash/settled.ts";
import { Violations } from "../../scripts/crash/violations.ts";
import { Volleys } from "../../scripts/crash/volleys.ts";
import { migrateShard } from "../../src/store/shard_store.ts";
import { MemoryDatabase } from "../support/memory_database.ts";

let position = 0;
const event = (actor: string, type: string, payload: SeenEvent["payload"] = {}, at = 0): SeenEvent => ({
  ...{ shard: 0, position: ++position, actor, version: position, type, payload },
  ...{ at: new Date(at).toISOString(), messageId: `m${position}`, correlationId: "c" },
});

describe("timers", () => {
  const armed = (tag: number, at: number, dueAt: number) =>
    event("alarm/a", "Armed", { tag, name: "x", dueAt }, at);
  const dropped = (tag: number, at: number) => event("alarm/a", "Dropped", { tag, name: "x" }, at);
  const rang = (tag: number, at: number) => event("alarm/a", "Rang", { tag }, at);
  const found = (...events: SeenEvent[]) => {
    const violations = new Violations();
    const alarms = new Alarms(violations);
    for (const each of events) alarms.take(each);
    alarms.check();
    return violations.all.map((what) => what.replaceAll(/1970-\S+/g, "…"));
  };

  test.each([
    ["rings when it is due", [armed(1, 0, 10), rang(1, 10)]],
    ["is dropped in time", [armed(1, 0, 10), dropped(2, 9)]],
    ["is set anew in time", [armed(1, 0, 10), armed(2, 5, 20), rang(2, 20)]],
    ["is dropped when it was due, on its way already", [armed(1, 0, 10), dropped(2, 10), rang(1, 11)]],
  ])("one that %s is well", (_, events) => {
    expect(found(...events)).toEqual([]);
  });

  test.each([
    ["never rings", [armed(1, 0, 10)], "Timer alarm/a x (alarm/a 1) never rang"],
    ["rings twice", [armed(1, 0, 10), rang(1, 10), rang(1, 11)], "Timer alarm/a 1 rang twice, the second"],
    ["rings too early", [armed(1, 0, 10), rang(1, 9)], "too early: it is due at"],
    ["rings though it was dropped", [armed(1, 0, 10), dropped(2, 9), rang(1, 12)], "before it was due"],
    [
      "rings though it was set anew",
      [armed(1, 0, 10), armed(2, 9, 20), rang(1, 12), rang(2, 20)],
      "ended at",
    ],
    ["nobody set", [rang(7, 1)], "Nobody set what rang: alarm/a 7"],
  ])("one that %s is not", (_, events, what) => {
    expect(found(...events)).toEqual([expect.stringContaining(what)]);
  });
});

describe("sagas", () => {
  const journal = (type: string) => event("move/m", type);
  const step = (type: string) => event("vault/v", type, { move: "m" });
  const found = (isWanted: boolean, ...events: SeenEvent[]) => {
    const violations = new Violations();
    const moves = new Moves(violations);
    moves.send("m", isWanted);
    moves.accepted("m");
    for (const each of events) {
      if (each.actor === "move/m") moves.takeJournal(each);
      else moves.takeStep(each);
    }
    moves.check();
    return violations.all;
  };

  test.each([
    ["one that is wanted is done", true, [
      journal("Started"),
      step("Taken"),
      step("Given"),
      journal("Completed"),
    ]],
    ["one that is not is undone", false, [
      journal("Started"),
      step("Taken"),
      step("Returned"),
      journal("Failed"),
    ]],
    ["another shard's events are seen late", true, [journal("Completed"), step("Given"), step("Taken")]],
  ])("%s: well", (_, isWanted, events) => {
    expect(found(isWanted, ...events)).toEqual([]);
  });

  test.each([
    ["was accepted and is not there", true, []],
    ["stops half way", true, [journal("Started"), step("Taken")]],
    ["does a step twice", true, [step("Taken"), step("Taken"), step("Given"), journal("Completed")]],
    ["leaves a step out", true, [step("Taken"), journal("Completed")]],
    ["does not take back", false, [step("Taken"), journal("Failed")]],
    ["takes back twice", false, [step("Taken"), step("Returned"), step("Returned"), journal("Failed")]],
    ["takes back what is done", true, [step("Taken"), step("Given"), step("Returned"), journal("Completed")]],
  ])("one that %s is not well", (_, isWanted, events) => {
    expect(found(isWanted, ...events)).toEqual([expect.stringMatching(/^Saga m should be .*, and is /)]);
  });

  test("one goes on after its end, or was begun by nobody", () => {
    const events = [step("Taken"), step("Given"), journal("Completed"), journal("StepStarted")];
    expect(found(true, ...events)).toEqual(["Saga m went on with StepStarted after Completed"]);
    const violations = new Violations();
    new Moves(violations).takeJournal(event("move/other", "Started"));
    expect(violations.all).toEqual(["Nobody began the saga other"]);
  });
});

describe("volleys", () => {
  const seen = (type: string) =>
    event("volley/a", type, { tag: 1, ...type === "Fired" ? { to: ["b", "c"] } : {} });
  const found = (...types: string[]) => {
    const violations = new Violations();
    const volleys = new Volleys(violations);
    for (const type of types) volleys.take(seen(type));
    volleys.check();
    return violations.all;
  };

  test("one of which all that follows is there, in whatever order it is seen, is well", () => {
    expect(found("Fired", "Heard", "Heard", "Burst", "Stamped")).toEqual([]);
    expect(found("Heard", "Stamped", "Burst", "Heard", "Fired")).toEqual([]);
  });

  test.each([
    ["was not fired, and is heard", ["Heard", "Heard", "Burst", "Stamped"]],
    ["is heard by one of two", ["Fired", "Heard", "Burst", "Stamped"]],
    ["is heard three times", ["Fired", "Heard", "Heard", "Heard", "Burst", "Stamped"]],
    ["does not burst", ["Fired", "Heard", "Heard", "Stamped"]],
    ["bursts twice", ["Fired", "Heard", "Heard", "Burst", "Burst", "Stamped"]],
    ["is never stamped", ["Fired", "Heard", "Heard", "Burst"]],
  ])("one that %s is not", (_, types) => {
    expect(found(...types)).toEqual([expect.stringMatching(/^Volley 1 should be .*, and is /)]);
  });
});

describe("what a server has left to do", () => {
  const shardWith = async (...statements: string[]) => {
    const database = new MemoryDatabase();
    await migrateShard(database, { name: "shard-0.db", shard: 0, shards: 1 });
    for (const sql of statements) await database.look(sql);
    return (await lookAtShard(database, { shard: 0, archives: true })).waiting;
  };
  const message = (status: string) =>
    `INSERT INTO messages (id, actor, command, input, correlation_id, status, attempts, enqueued_at, deliver_at,
      failures) VALUES ('m', 'counter/c', 'increment', '{}', 'm', '${status}', 0, 1, 5, '[]')`;
  const event = (position: number, type: string) =>
    `INSERT INTO events (position, actor, version, type, schema_version, payload, at, message_id, correlation_id)
      VALUES (${position}, 'parcel/p', ${position}, '${type}', 1, '{}', 1, 'm${position}', 'm')`;
  const other = `INSERT INTO events (position, actor, version, type, schema_version, payload, at, message_id,
    correlation_id) VALUES (9, 'counter/c', 1, 'Incremented', 1, '{}', 1, 'm9', 'm')`;

  test.each([
    [
      "a message that is not due yet",
      [message("queued")],
      "message of shard 0: m counter/c increment queued 5",
    ],
    ["one that waits for its next attempt", [message("retrying")], "increment retrying 5"],
    ["a dead letter", [message("dead")], "increment dead 5"],
    [
      "one on its way to another shard",
      ["INSERT INTO outbox VALUES (1, 1, '{}')"],
      "outbox of shard 0: 1 1 {}",
    ],
    ["a timer", ["INSERT INTO timers VALUES ('a/a', 'x', 'i', 7, '{}')"], "timer of shard 0: a/a x 7"],
    ["events to be archived", [event(1, "Sealed"), other], "event to be archived of shard 0: parcel/p 1"],
  ])("%s is seen", async (_, statements, what) => {
    expect(await shardWith(...statements)).toEqual([expect.stringContaining(what)]);
  });

  test("what is over is not", async () => {
    expect(await shardWith(message("done"), event(1, "Sealed"), event(2, "Packed"), other)).toEqual([]);
    // The newest event of a shard stays where it is.
    expect(await shardWith(message("rejected"), event(1, "Sealed"))).toEqual([]);
  });
});
