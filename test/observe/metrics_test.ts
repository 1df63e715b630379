import { expect, test } from "vitest";
import { z } from "zod";
import { actor, command } from "../../src/mod.ts";
import { World } from "../support/world.ts";
import { ledger, sender, unreliable } from "../support/actors.ts";
import { serve } from "../http/support.ts";
import { Histogram } from "../../src/observe/histogram.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { readMetrics } from "./support.ts";

const add = 'type="ledger",command="add"';

test("commands are counted by outcome, and timed until they are on disk", async () => {
  const served = await serve();
  const { faults } = served;
  await served.post("/actors/ledger/a/add", { n: 1 });
  await served.post("/actors/ledger/a/addEven", { n: 1 });
  faults.failures.set("x", 1);
  await served.post("/actors/worker/w/work", { label: "x" });
  const metrics = await readMetrics(served);
  expect(metrics.get(`folio_commands_total{${add},outcome="done"}`)).toBe(1);
  expect(metrics.get(`folio_commands_total{${add},outcome="rejected"}`)).toBe(0);
  expect(metrics.get('folio_commands_total{type="ledger",command="addEven",outcome="rejected"}')).toBe(1);
  expect(metrics.get('folio_commands_total{type="worker",command="work",outcome="failed"}')).toBe(1);
  expect(metrics.get(`folio_messages_admitted_total{${add}}`)).toBe(1);
  expect(metrics.get(`folio_command_duration_seconds_count{${add}}`)).toBe(1);
  expect(metrics.get(`folio_command_duration_seconds_bucket{${add},le="+Inf"}`)).toBe(1);
});

test("a message that is retried until it is dead is seen in retries, queue, age, latency and dead letters", async () => {
  const served = await serve({ attemptsMax: 3 });
  const work = 'type="worker",command="work"';
  served.faults.failures.set("x", 3);
  const headers = { prefer: "respond-async", "idempotency-key": "m1" };
  await served.post("/actors/worker/w/work", { label: "x" }, headers);
  await served.post("/actors/worker/w/work", { label: "y" }, { prefer: "respond-async" });
  await served.clock.advance(500);
  const waiting = await readMetrics(served);
  expect(waiting.get(`folio_retries_total{${work}}`)).toBe(1);
  expect(waiting.get('folio_queue_depth{type="worker"}')).toBe(2);
  expect(waiting.get('folio_queue_oldest_age_seconds{type="worker"}')).toBe(0.5);
  expect(waiting.get(`folio_dead_letters{${work}}`)).toBeUndefined();

  await served.settled("m1");
  await served.clock.settle();
  const over = await readMetrics(served);
  expect(over.get(`folio_retries_total{${work}}`)).toBe(2);
  expect(over.get(`folio_commands_total{${work},outcome="dead"}`)).toBe(1);
  expect(over.get(`folio_dead_letters{${work}}`)).toBe(1);
  expect(over.get('folio_queue_depth{type="worker"}')).toBeUndefined();
  expect(over.get(`folio_command_duration_seconds_sum{${work}}`)).toBeGreaterThanOrEqual(6); // 3 for each

  await served.post("/dead-letters/m1/redrive");
  await served.clock.settle();
  expect((await readMetrics(served)).get(`folio_dead_letters{${work}}`)).toBeUndefined();
});

test("throttled producers are counted by why", async () => {
  const served = await serve({ limits: { mailboxDepthMax: 1 } });
  served.faults.failures.set("x", 9);
  const send = () => served.post("/actors/worker/w/work", { label: "x" }, { prefer: "respond-async" });
  await send();
  expect((await send()).status).toBe(429);
  const metrics = await readMetrics(served);
  expect(metrics.get('folio_messages_refused_total{type="worker",command="work",code="mailbox-full"}')).toBe(
    1,
  );
});

test("commits are counted, timed and sized", async () => {
  const served = await serve({ shards: 2 });
  const before = await readMetrics(served);
  await served.post("/actors/ledger/a/burst", { count: 7 });
  const metrics = await readMetrics(served);
  const shard = served.runtime.shardOf("ledger/a").number;
  const grown = (name: string, labels = "") => {
    const series = `${name}{shard="${shard}"${labels}}`;
    return (metrics.get(series) ?? 0) - (before.get(series) ?? 0);
  };
  expect(grown("folio_commits_total", ',result="durable"')).toBe(1);
  expect(grown("folio_commits_total", ',result="lost"')).toBe(0);
  expect(grown("folio_events_total")).toBe(7);
  expect(grown("folio_commit_duration_seconds_count")).toBe(1);
  expect(grown("folio_commit_turns_sum")).toBe(1);
  expect(grown("folio_commit_size_bytes_sum")).toBeGreaterThan(7 * '{"n":1}'.length - 1);
});

test("a lost commit is counted, and what its turns did is not", async () => {
  const clock = new VirtualClock();
  const metrics = new Metrics(new Registry([ledger]), clock);
  const world = await World.start({ modules: [ledger], observer: metrics });
  world.engineOf("ledger/a").plan("before");
  await world.runtime.ask(ledger.ref("a").add({ n: 1 })).catch(() => {});
  await world.clock.advance(1_000);
  expect(metrics.shards.map(({ commits, lost }) => ({ commits, lost }))).toEqual([{ commits: 0, lost: 1 }]);
  expect([...metrics.allCommands()].map(({ done }) => done)).toEqual([0]);
  await world.runtime.stop();
});

test("timers tell how late they are", async () => {
  const alarm = actor("alarm", {
    initialState: () => ({}),
    events: {},
    evolve: {},
    commands: {
      set: command(z.object({}), (turn) => {
        turn.schedule("ring", { after: "10s" }, { type: "alarm", key: turn.key, command: "ring", input: {} });
      }),
      ring: command(z.object({}), () => {}),
    },
  });
  const clock = new VirtualClock();
  const metrics = new Metrics(new Registry([alarm]), clock);
  const world = await World.start({ modules: [alarm], observer: metrics });
  await world.runtime.send(alarm.ref("a").set({}));
  // The clock jumps over the time of the timer, as it does for a machine that was asleep.
  world.clock.set(world.clock.now() + 12_000);
  await world.clock.advance(0);
  expect(metrics.timerLateness).toMatchObject({ count: 1, sum: 2 });
  await world.runtime.stop();
});

test("projections and reactors tell how far behind they are, in events and in time", async () => {
  const served = await serve();
  await served.post("/actors/ledger/a/burst", { count: 3 });
  expect((await readMetrics(served)).get('folio_projection_lag_events{projection="balances"}')).toBe(3);
  await served.clock.advance(20);
  const behind = await readMetrics(served);
  expect(behind.get('folio_projection_lag_seconds{projection="balances"}')).toBe(0.02);
  await served.clock.advance(100);
  const metrics = await readMetrics(served);
  expect(metrics.get('folio_projection_lag_events{projection="balances"}')).toBe(0);
  expect(metrics.get('folio_projection_lag_seconds{projection="balances"}')).toBe(0);
  expect(metrics.get('folio_projection_failed{projection="balances"}')).toBe(0);
  expect(metrics.get('folio_reactor_lag_events{reactor="welcome"}')).toBe(0);
  expect(metrics.get('folio_reactor_lag_seconds{reactor="welcome"}')).toBe(0);
});

test("activations, memory and whether shards serve are there", async () => {
  const served = await serve();
  const before = (await readMetrics(served)).get('folio_activations{shard="0"}') ?? 0;
  await served.post("/actors/ledger/a/add", { n: 1 });
  const metrics = await readMetrics(served);
  expect(metrics.get('folio_activations{shard="0"}')).toBe(before + 1);
  expect(metrics.get('folio_shard_serving{shard="0"}')).toBe(1);
  expect(metrics.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  expect(metrics.get("folio_heap_used_bytes")).toBeGreaterThan(1e6);
  expect(metrics.get("process_start_time_seconds")).toBe(Date.UTC(2026, 0, 1) / 1_000);
});

// Would catch labels that whoever sends requests can make up, and so series without bound.
test("what no module defines is counted as other", () => {
  const metrics = new Metrics(new Registry([ledger, sender, unreliable().worker]), new VirtualClock());
  const message = (actor: string, command: string) => ({
    ...{ id: "m", actor, command, input: null, correlationId: "m", causationId: null, traceparent: null },
    ...{ expectedVersion: null, enqueuedAt: 0, deliverAt: 0, expiresAt: null, replyTo: null },
  });
  for (let n = 0; n < 100; n++) {
    metrics.admitted(message(`type${n}/a`, "add"));
    metrics.admitted(message("ledger/a", `command${n}`));
    metrics.admitted(message(`activity:gone${n}/-`, "run"));
  }
  expect([...metrics.allCommands()].map(({ labels, admitted }) => [labels, admitted])).toEqual([
    [{ type: "other", command: "other" }, 300],
  ]);
});

test("a histogram counts each value once, at its bound too", () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 6]) histogram.take(value);
  expect(histogram).toMatchObject({ counts: [2, 2, 1, 1], count: 6, sum: 15.5 });
});

test("a runtime without metrics serves none", async () => {
  const served = await serve({ observe: false });
  expect((await served.get("/metrics")).status).toBe(404);
  expect((await served.get("/alerts")).status).toBe(404);
});
