import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { schedule } from "../../src/core/schedule.ts";
import type { ScheduleState } from "../../src/runtime/schedule_actor.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import { ledger } from "../support/actors.ts";
import { codeOf, World } from "../support/world.ts";

const HOUR = 3_600_000;
const toAlice = ledger.ref("alice").add({ n: 1 });
const hourly = (options: Partial<Parameters<typeof schedule>[1]> = {}) =>
  schedule("hourly", { cron: "0 * * * *", ...options }, toAlice);

/** A world whose schedules run; its clock begins at midnight. */
async function start(...modules: AnyModule[]): Promise<World> {
  const world = await World.start({ modules: [ledger, ...modules] });
  world.runtime.schedules.start();
  await world.settle();
  return world;
}

/** The process is down for a while, and comes back with these modules. */
async function downFor(world: World, ms: number, ...modules: AnyModule[]): Promise<void> {
  await world.crash([ledger, ...modules]);
  world.clock.set(world.clock.now() + ms);
  await world.restart([ledger, ...modules]);
  world.runtime.schedules.start();
  await world.clock.advance(0);
}

async function sum(world: World): Promise<number> {
  return ((await world.runtime.state("ledger", "alice")).state as { sum: number }).sum;
}

async function stateOf(world: World): Promise<ScheduleState> {
  return (await world.runtime.state("schedule", "hourly")).state as ScheduleState;
}

test("a schedule sends its message at each of its times, and not before", async () => {
  const world = await start(hourly());
  await world.clock.advance(HOUR - 1);
  expect(await sum(world)).toBe(0);
  await world.clock.advance(1);
  expect(await sum(world)).toBe(1);
  await world.clock.advance(23 * HOUR);
  expect(await sum(world)).toBe(24);
});

test("a schedule of every second sends each, also when it was started in the middle of one", async () => {
  const world = await World.start({
    modules: [ledger, schedule("second", { cron: "* * * * * *" }, toAlice)],
  });
  await world.clock.advance(500);
  world.runtime.schedules.start();
  await world.clock.advance(10_000);
  expect(await sum(world)).toBe(10);
});

describe("times that passed while nothing ran", () => {
  test.each([
    ["skip" as const, 0, { missed: 1 }],
    ["run-once" as const, 1, { missed: 0 }],
    ["catch-up" as const, 5, { missed: 0 }],
  ])("%s", async (misfire, made, counts) => {
    const definition = hourly({ misfire });
    const world = await start(definition);
    await world.clock.advance(2 * HOUR);
    // At 1, 2 in time; at 3 to 7 there was nobody.
    await downFor(world, 5.5 * HOUR, definition);
    expect(await sum(world)).toBe(2 + made);
    expect(await stateOf(world)).toMatchObject(counts);
    await world.clock.advance(HOUR / 2);
    expect(await sum(world)).toBe(2 + made + 1);
  });

  test.each([
    ["skip" as const, 1],
    ["run-once" as const, 1],
    ["catch-up" as const, 20],
  ])("%s, of a schedule of every second: several within a minute", async (misfire, made) => {
    const definition = schedule("hourly", { cron: "* * * * * *", misfire }, toAlice);
    const world = await start(definition);
    await world.clock.advance(5_000);
    await downFor(world, 20_500, definition);
    expect(await sum(world)).toBe(5 + made);
    await world.clock.advance(500);
    expect(await sum(world)).toBe(5 + made + 1);
  });

  test("what is later by chance is not taken for missed", async () => {
    const definition = schedule("hourly", { cron: "* * * * * *", jitter: "5s" }, toAlice);
    const world = await start(definition);
    await world.clock.advance(60_000);
    expect(await sum(world)).toBeGreaterThanOrEqual(53);
  });

  test("a minute late is in time, a millisecond more is missed", async () => {
    for (const [lateMs, made] of [[60_000, 1], [60_001, 0]] as const) {
      const world = await start(hourly());
      await downFor(world, HOUR + lateMs, hourly());
      expect(await sum(world)).toBe(made);
    }
  });
});

describe("daylight saving", () => {
  const timesOf = (cron: string, from: string, count: number) => {
    const { next } = schedule("berlin", { cron, timeZone: "Europe/Berlin" }, toAlice);
    const times: string[] = [];
    for (let at = next(Date.parse(from)); at !== undefined && times.length < count; at = next(at)) {
      times.push(new Date(at).toISOString());
    }
    return times;
  };

  test("a time that does not exist is an hour later by the clock on the wall", () => {
    expect(timesOf("30 2 * * *", "2026-03-28T12:00:00Z", 2)).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
  });

  test("a time that comes twice counts once", () => {
    expect(timesOf("30 2 * * *", "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
  });

  test("every hour is every hour", () => {
    expect(timesOf("0 * * * *", "2026-10-24T23:30:00Z", 4)).toEqual(
      ["00", "01", "02", "03"].map((hour) => `2026-10-25T${hour}:00:00.000Z`),
    );
    expect(timesOf("0 * * * *", "2026-03-28T23:30:00Z", 4)).toEqual(
      ["00", "01", "02", "03"].map((hour) => `2026-03-29T${hour}:00:00.000Z`),
    );
  });
});

// Would catch a schedule that never comes again: its next time is planned by the message of the one before.
describe("a time whose message comes to nothing", () => {
  test("because no module is a schedule is made up for as the policy says, and the next ones come", async () => {
    const world = await start(hourly({ misfire: "run-once" }));
    await downFor(world, HOUR);
    await world.clock.advance(10 * HOUR);
    expect(await sum(world)).toBe(0);
    await world.restart([ledger, hourly({ misfire: "run-once" })]);
    world.runtime.schedules.start();
    await world.clock.advance(0);
    expect(await sum(world)).toBe(1);
    await world.clock.advance(2 * HOUR);
    expect(await sum(world)).toBe(3);
  });

  test("because what it sends finds no room for minutes is tried for as long", async () => {
    const shut = actor("shut", {
      initialState: () => 0,
      events: {},
      evolve: {},
      retry: { attemptsMax: 8, delayMs: 30_000, jitter: 0 },
      mailboxDepthMax: 1,
      commands: {
        wait: command(z.object({}), () => {
          throw new Error("not yet");
        }),
      },
    });
    const knock = schedule("hourly", { cron: "0 * * * *" }, shut.ref("s").wait());
    const world = await World.start({ modules: [shut, knock] });
    world.runtime.schedules.start();
    await world.clock.advance(HOUR - 30_000);
    await world.runtime.send(shut.ref("s").wait()); // fills the mailbox for more than three minutes
    await world.clock.advance(30_000 + 6 * 60_000);
    expect(await stateOf(world)).toMatchObject({ missed: 1, dueAt: world.clock.now() + HOUR - 6 * 60_000 });
    await world.clock.advance(HOUR);
    expect(await stateOf(world)).toMatchObject({ fired: 1 });
  });
});

test("a paused schedule sends nothing; resumed, it goes on without making up for what passed", async () => {
  const world = await start(hourly({ misfire: "catch-up" }));
  const { schedules } = world.runtime;
  await world.clock.advance(HOUR);
  expect(await schedules.pause("hourly")).toMatchObject({ isPaused: true, next: [] });
  await schedules.pause("hourly");
  await world.clock.advance(5 * HOUR);
  await downFor(world, HOUR, hourly({ misfire: "catch-up" }));
  expect(await sum(world)).toBe(1);
  const resumed = await world.runtime.schedules.resume("hourly");
  expect(resumed.next).toEqual(Array.from({ length: 10 }, (_, n) => Date.UTC(2026, 0, 1, 8 + n)));
  await world.runtime.schedules.resume("hourly");
  await world.clock.advance(HOUR);
  expect(await sum(world)).toBe(2);
});

test("a schedule that was changed goes by its new times, one that was removed ends, and may come back", async () => {
  const world = await start(hourly());
  await downFor(world, 0, hourly({ cron: "30 * * * *" }));
  await world.clock.advance(HOUR / 2);
  expect(await sum(world)).toBe(1);
  await downFor(world, 0, schedule("other", { cron: "0 0 1 1 *" }, toAlice));
  await world.clock.advance(3 * HOUR);
  expect(await sum(world)).toBe(1);
  await downFor(world, 0, hourly());
  await world.clock.advance(HOUR);
  expect(await sum(world)).toBe(2);
});

test("chance makes each time later, up to the jitter, and never leaves one out", async () => {
  const world = await start(hourly({ jitter: "10m" }));
  await world.clock.advance(24 * HOUR + 600_000);
  const added = (await world.events()).filter(({ type }) => type === "Added");
  expect(added).toHaveLength(24);
  const late = added.map(({ at }, index) => at - Date.UTC(2026, 0, 1, index + 1));
  expect(late.every((ms) => ms >= 0 && ms < 600_000)).toBe(true);
  expect(new Set(late).size).toBeGreaterThan(10);
});

test("whatever is lost or killed, each time is sent once", async () => {
  for (let fail = 1; fail <= 12; fail++) {
    const definition = hourly({ misfire: "catch-up" });
    const world = await start(definition);
    for (let hour = 0; hour < 4; hour++) {
      const [engine] = world.engines;
      engine?.plan(...Array.from({ length: fail % 4 }, () => "ok" as const), fail % 2 ? "before" : "after");
      await world.clock.advance(HOUR);
      if (hour % 2 === fail % 2) await downFor(world, 0, definition);
    }
    await world.clock.advance(HOUR / 2);
    expect(await sum(world)).toBe(4);
  }
});

test.each([
  [{ cron: "nonsense" }, /schedule broken: /],
  [{ cron: "61 * * * *" }, /minute/],
  [{ cron: "0 0 30 2 *" }, /no time fits/],
  [{ cron: "* * * * *", timeZone: "Mars/Base" }, /Mars\/Base/],
  [{ cron: "* * * * *", jitter: "soon" as "1s" }, /no duration/],
])("a schedule of %j is refused when it is defined", (options, reason) => {
  expect(() => schedule("broken", options, toAlice)).toThrow(reason);
});

test("a schedule whose command does not fit is refused at the start, and an unknown one is not found", async () => {
  const wrong = schedule("wrong", { cron: "* * * * *" }, { ...toAlice, command: "absent" });
  await expect(World.start({ modules: [ledger, wrong] })).rejects.toThrow(/schedule wrong: .*absent/);
  const world = await start(hourly());
  expect(await codeOf(world.runtime.schedules.get("x"))).toBe("unknown-schedule");
  expect(await codeOf(world.runtime.schedules.pause("x"))).toBe("unknown-schedule");
});
