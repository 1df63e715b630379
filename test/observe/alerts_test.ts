import { expect, onTestFinished, test } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import { AlertChecks, alertNames } from "../../src/observe/alert_checks.ts";
import { AlertWebhook } from "../../src/observe/alert_webhook.ts";
import { Alerts } from "../../src/observe/alerts.ts";
import { Lookout, type Sight } from "../../src/observe/watched.ts";
import type { Alert } from "../../src/runtime/observation.ts";
import { projection } from "../../src/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { serve } from "../http/support.ts";
import { ledger } from "../support/actors.ts";
import { readMetrics } from "./support.ts";
import { FakeRuntime } from "./watched_fake.ts";

const EVERY_MS = defaultLimits.alertEveryMs;
/** Until the first look. */
const FIRST_MS = 2_000;
const seen = new Set<string>();

function watchFake() {
  const runtime = new FakeRuntime();
  const { clock } = runtime;
  const logged: string[] = [];
  const lookout = new Lookout(runtime);
  const alerts = new Alerts({
    clock,
    limits: defaultLimits,
    log: (level, message) => void logged.push(`${level} ${message}`),
    look: () => lookout.look(),
  });
  alerts.start();
  onTestFinished(() => alerts.stop());
  return { runtime, clock, alerts, logged };
}

/** Names of what fires, each with what it is about. */
function firing(alerts: { list(): readonly Alert[] }): string[] {
  return alerts.list().map(({ name, labels }) => {
    seen.add(name);
    return [name, ...Object.values(labels)].join(" ");
  });
}

test("a dead letter fires until it is dealt with: in the list, in metrics, in the log", async () => {
  const served = await serve({ attemptsMax: 1 });
  served.faults.failures.set("x", 1);
  await served.post("/actors/worker/w/work", { label: "x" }, {
    "idempotency-key": "m1",
    prefer: "respond-async",
  });
  await served.settled("m1");
  expect((await served.get("/alerts")).body).toEqual({ alerts: [], cleared: [] });
  await served.clock.advance(2 * EVERY_MS);
  const [alert] = (await served.get("/alerts")).body.alerts;
  seen.add(alert.name);
  expect(alert).toMatchObject({
    name: "dead-letters",
    labels: { type: "worker", command: "work" },
    value: 1,
    limit: 0,
    message: "1 message for worker/work used up all attempts",
    whatToDo: expect.stringContaining("/dead-letters?type=worker&command=work"),
  });
  expect(Date.parse(alert.lastSeenAt) - Date.parse(alert.firstSeenAt)).toBe(2 * EVERY_MS - FIRST_MS);
  expect((await readMetrics(served)).get('folio_alerts{alert="dead-letters"}')).toBe(1);
  expect(served.logged.filter((line) => line.includes("used up all attempts"))).toEqual([
    expect.stringMatching(/^error /),
  ]);

  await served.post("/dead-letters/m1/redrive");
  await served.clock.advance(EVERY_MS);
  const { alerts, cleared } = (await served.get("/alerts")).body;
  expect(alerts).toEqual([]);
  expect(cleared).toMatchObject([{ name: "dead-letters", clearedAt: expect.any(String) }]);
  expect((await readMetrics(served)).get('folio_alerts{alert="dead-letters"}')).toBeUndefined();
});

// Would catch a console that says for a quarter of a minute after each restart that all is well.
test("what is wrong when it starts is told two seconds after it, and looked for in its usual turn from then on", async () => {
  const { runtime, clock, alerts, logged } = watchFake();
  runtime.deadLetters.push(["account", "open", 3]);
  await clock.advance(FIRST_MS - 1);
  expect(firing(alerts)).toEqual([]);
  await clock.advance(1);
  expect(firing(alerts)).toEqual(["dead-letters account open"]);
  runtime.deadLetters.pop();
  await clock.advance(EVERY_MS - FIRST_MS - 1);
  expect(firing(alerts)).toHaveLength(1);
  await clock.advance(1);
  expect(firing(alerts)).toEqual([]);
  expect(logged).toEqual(["error 3 messages for account/open used up all attempts", "info Alert is over"]);
});

test("as many dead letters as are counted at the most are said to be that or more", async () => {
  const { runtime, clock, alerts } = watchFake();
  runtime.deadLetters.push(["account", "open", 9_000], ["account", "close", 999]);
  await clock.advance(EVERY_MS);
  expect(alerts.list().map(({ message }) => message)).toEqual([
    "9000 messages for account/open used up all attempts",
    "999 messages for account/close used up all attempts",
  ]);
  runtime.deadLetters.push(["seat", "reserve", 1]);
  await clock.advance(EVERY_MS);
  expect(alerts.list().map(({ message }) => message)).toEqual([
    "9000 or more messages for account/open used up all attempts",
    "999 or more messages for account/close used up all attempts",
    "1 or more message for seat/reserve used up all attempts",
  ]);
});

test("a look that fails is logged, and the next one is taken all the same", async () => {
  const clock = new VirtualClock();
  const logged: string[] = [];
  let looks = 0;
  const alerts = new Alerts({
    clock,
    limits: defaultLimits,
    log: (level, message) => void logged.push(`${level} ${message}`),
    look: () => Promise.reject(new Error(`look ${++looks}`)),
  });
  alerts.start();
  onTestFinished(() => alerts.stop());
  await clock.advance(2 * EVERY_MS);
  expect(looks).toBe(3);
  expect(logged).toEqual(Array(3).fill("error Alerts could not be looked for"));
});

test("a queue that grows over the whole window fires; one that is only long does not", async () => {
  const { runtime, clock, alerts } = watchFake();
  const windowMs = defaultLimits.alertQueueWindowMs;
  const grow = async (by: number, ms: number) => {
    for (let left = ms; left > 0; left -= EVERY_MS) {
      const depth = (runtime.queued.get("account")?.depth ?? 200) + by;
      runtime.queued.set("account", { depth, oldestAt: clock.now() });
      await clock.advance(EVERY_MS);
    }
  };
  await grow(0, 2 * windowMs);
  expect(firing(alerts)).toEqual([]);
  await grow(5, windowMs - EVERY_MS);
  await grow(5, 2 * EVERY_MS);
  expect(firing(alerts)).toEqual(["queue-growing account"]);
  await grow(0, windowMs);
  expect(firing(alerts)).toEqual([]);
  await grow(5, 2 * windowMs);
  expect(firing(alerts)).toEqual(["queue-growing account"]);
  runtime.queued.clear();
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a short queue may grow", async () => {
  const { runtime, clock, alerts } = watchFake();
  for (let depth = 1; depth < 90; depth++) {
    runtime.queued.set("account", { depth, oldestAt: clock.now() });
    await clock.advance(EVERY_MS);
  }
  expect(firing(alerts)).toEqual([]);
});

test.each(["projection", "reactor"] as const)(
  "a %s that falls behind fires until it has caught up",
  async (kind) => {
    const { runtime, clock, alerts } = watchFake();
    await clock.advance(EVERY_MS);
    runtime.position = 10;
    runtime.followers[kind] = { name: "p", status: "live", lagEvents: 10 };
    await clock.advance(defaultLimits.alertLagMsMax + EVERY_MS);
    expect(firing(alerts)).toEqual([]);
    await clock.advance(EVERY_MS);
    expect(firing(alerts)).toEqual([`${kind}-lag p`]);
    // It goes on, and new events come: what it has not seen is young.
    runtime.position = 20;
    runtime.followers[kind] = { name: "p", status: "live", lagEvents: 10 };
    await clock.advance(EVERY_MS);
    expect(firing(alerts)).toEqual([]);
  },
);

test.each(["projection", "reactor"] as const)("a %s that has stopped fires at once", async (kind) => {
  const { runtime, clock, alerts } = watchFake();
  const failure = {
    error: "Error: no",
    event: { shard: 0, position: 1, type: "T", actor: "a/b", version: 1 },
    at: 0,
  };
  runtime.followers[kind] = { name: "p", status: "failed", lagEvents: 1, failure };
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([`${kind}-failed p`]);
  expect(alerts.list()[0]?.message).toContain("Error: no");
  runtime.followers[kind] = { name: "p", status: "live", lagEvents: 0 };
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a real projection whose handler throws fires", async () => {
  const broken = projection("broken", {
    version: 1,
    from: [ledger],
    tables: ["CREATE TABLE broken (a TEXT)"],
    on: {
      "ledger/Added": () => {
        throw new Error("as planned");
      },
    },
    queries: {},
  });
  const served = await serve({ modules: [broken] });
  await served.post("/actors/ledger/a/add", { n: 1 });
  await served.clock.advance(EVERY_MS);
  const { alerts } = (await served.get("/alerts")).body;
  expect(alerts).toMatchObject([{ name: "projection-failed", labels: { projection: "broken" } }]);
});

test("what is asked of an activity and not done in time fires", async () => {
  const { runtime, clock, alerts } = watchFake();
  runtime.queued.set("activity:mail", { depth: 1, oldestAt: clock.now() });
  runtime.queued.set("account", { depth: 1, oldestAt: clock.now() });
  await clock.advance(defaultLimits.alertActivityAgeMsMax);
  expect(firing(alerts)).toEqual([]);
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["activity-lag mail"]);
  runtime.queued.delete("activity:mail");
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a stuck saga fires until it goes on", async () => {
  const { runtime, clock, alerts } = watchFake();
  runtime.sagaCounts.set("running", 5).set("compensating", 1);
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
  runtime.sagaCounts.set("stuck", 2);
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["saga-stuck booking"]);
  expect(alerts.list()[0]?.value).toBe(2);
  runtime.sagaCounts.delete("stuck");
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a circuit that stays open fires, also while it is tried; a short opening does not", async () => {
  const { runtime, clock, alerts } = watchFake();
  runtime.circuits.set("charge", "open");
  await clock.advance(defaultLimits.alertCircuitOpenMsMax);
  runtime.circuits.set("charge", "closed");
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
  runtime.circuits.set("charge", "open");
  await clock.advance(defaultLimits.alertCircuitOpenMsMax);
  runtime.circuits.set("charge", "half-open");
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["circuit-open charge"]);
  runtime.circuits.set("charge", "closed");
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a promise that was left rejected is told of for five minutes after the latest", async () => {
  const { runtime, clock, alerts } = watchFake();
  const stray = { activity: "charge", count: 1, at: clock.now(), error: "Error: no" };
  runtime.strayed.push(stray);
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["stray-rejection charge"]);
  expect(alerts.list()[0]?.message).toContain("charge left a promise rejected");
  runtime.strayed.splice(0, 1, { ...stray, count: 2, at: clock.now() });
  await clock.advance(defaultLimits.alertStrayMs - EVERY_MS);
  expect(alerts.list()).toMatchObject([{ value: 2 }]);
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

test("a store that cannot be reached fires, but not while draining", async () => {
  const { runtime, clock, alerts, logged } = watchFake();
  runtime.isServing = false;
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["store-unavailable 0"]);
  expect(logged).toEqual(["error Shard 0 takes no commands"]);
  runtime.isServing = true;
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
  expect(logged.at(-1)).toBe("info Alert is over");
  runtime.isServing = false;
  runtime.isDraining = true;
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual([]);
});

// Would catch a look that fails for ever once the disk cannot be read, when alerts are needed most.
test("alerts go on while the disk cannot be read", async () => {
  const { runtime, clock, alerts } = watchFake();
  runtime.isReadable = false;
  runtime.isServing = false;
  await clock.advance(EVERY_MS);
  expect(firing(alerts)).toEqual(["store-unavailable 0"]);
});

test("every alert was seen above", () => {
  expect([...seen].sort()).toEqual([...alertNames].sort());
});

const alert: Alert = {
  ...{ name: "dead-letters", labels: { type: "account" }, message: "It is so", whatToDo: "Do this" },
  ...{ value: 1, limit: 0, firstSeenAt: 0, lastSeenAt: 1_000 },
};

test("the webhook is told when an alert begins and when it is over, again while it does not answer", async () => {
  const { clock } = new FakeRuntime();
  const posted: Record<string, unknown>[] = [];
  const answers = [500, 200, 200];
  const webhook = new AlertWebhook({
    url: "https://example.com/hook",
    clock,
    log: () => {},
    fetch: (_, init) => {
      posted.push(JSON.parse(String(init.body)));
      return Promise.resolve(new Response("", { status: answers.shift() ?? 200 }));
    },
  });
  webhook.tell(alert);
  await clock.settle();
  expect(posted).toHaveLength(1);
  await clock.advance(1_000);
  expect(posted).toHaveLength(2);
  expect(posted[1]).toEqual({
    ...{ name: "dead-letters", labels: { type: "account" }, message: "It is so", whatToDo: "Do this" },
    ...{ value: 1, limit: 0, state: "firing", text: "It is so. Do this" },
    ...{ firstSeenAt: "1970-01-01T00:00:00.000Z", lastSeenAt: "1970-01-01T00:00:01.000Z" },
  });
  webhook.tell({ ...alert, clearedAt: 2_000 });
  await clock.settle();
  expect(posted.at(-1)).toMatchObject({ state: "cleared", clearedAt: "1970-01-01T00:00:02.000Z" });
  expect(clock.pending).toBe(0);
});

test("a webhook that never answers is given up, and that is logged", async () => {
  const { clock } = new FakeRuntime();
  const logged: string[] = [];
  let calls = 0;
  const webhook = new AlertWebhook({
    url: "https://example.com/hook",
    clock,
    log: (level, message) => void logged.push(`${level} ${message}`),
    fetch: () => {
      calls++;
      return Promise.reject(new TypeError("connection refused"));
    },
  });
  webhook.tell(alert);
  await clock.advance("10m");
  expect({ calls, logged }).toEqual({ calls: 5, logged: ["warn Webhook was not told of an alert"] });
});

test.each([[9, false], [10, true]])(
  "where alertQueueDepthMin is 10, a queue that has grown to %i: %s that it fires",
  (depth, fires) => {
    const checks = new AlertChecks({ ...defaultLimits, alertQueueDepthMin: 10 });
    const sightOf = (at: number, depth: number): Sight => ({
      ...{ at, isDraining: false, shards: [], deadLetters: [], followers: [], activities: [], sagas: [] },
      ...{ circuits: [], strays: [] },
      queues: new Map([["account", { depth, oldestMs: 0 }]]),
    });
    const windowMs = defaultLimits.alertQueueWindowMs;
    const found = [0, 0.25, 0.5, 0.75, 1].map((part, index) =>
      checks.run(sightOf(part * windowMs, depth - 4 + index))
    );
    expect(found.flat().map(({ name, value, limit }) => ({ name, value, limit }))).toEqual(
      fires ? [{ name: "queue-growing", value: depth, limit: 10 }] : [],
    );
  },
);
