import { expect, test } from "vitest";
import { z } from "zod";
import { defaultLimits } from "../../src/config.ts";
import { activity, actor, command, FinalError, saga, StepError } from "../../src/mod.ts";
import { serve } from "../http/support.ts";
import { readMetrics } from "./support.ts";

/** Activities, circuits and sagas that are real, and what is seen of them. */

test("attempts are counted and timed, an open circuit is shown, and both raise their alerts", async () => {
  const outside = { isDown: true };
  const call = activity("call", {
    input: z.object({}),
    output: z.object({}),
    retry: { attemptsMax: 1_000 },
    circuitBreaker: { failuresMax: 2, halfOpenAfter: "10s" },
    run: () => outside.isDown ? Promise.reject(new Error("nobody answers")) : Promise.resolve({}),
  });
  const desk = actor("desk", {
    initialState: () => ({}),
    events: {},
    evolve: {},
    commands: { work: command(z.object({}), (turn) => void turn.perform(call, {})) },
  });
  const served = await serve({ modules: [call, desk] });
  await served.post("/actors/desk/d/work", {});
  await served.clock.advance(defaultLimits.alertActivityAgeMsMax + 2 * defaultLimits.alertEveryMs);
  const down = await readMetrics(served);
  expect(down.get('folio_activity_attempts_total{activity="call",outcome="retrying"}')).toBeGreaterThan(2);
  expect(down.get('folio_activity_attempt_duration_seconds_count{activity="call"}')).toBeGreaterThan(2);
  expect(down.get('folio_retries_total{type="activity:call",command="run"}')).toBeGreaterThan(2);
  expect(down.get('folio_queue_depth{type="activity:call"}')).toBe(1);
  expect(down.get('folio_circuit_state{activity="call",state="closed"}')).toBe(0);
  const names = async () =>
    (await served.get("/alerts")).body.alerts.map(({ name }: { name: string }) => name);
  expect((await names()).toSorted()).toEqual(["activity-lag", "circuit-open"]);

  outside.isDown = false;
  await served.clock.advance("1m");
  const up = await readMetrics(served);
  expect(up.get('folio_activity_attempts_total{activity="call",outcome="done"}')).toBe(1);
  expect(up.get('folio_circuit_state{activity="call",state="closed"}')).toBe(1);
  expect(up.get('folio_queue_depth{type="activity:call"}')).toBeUndefined();
  expect(await names()).toEqual([]);
});

test("sagas are counted by state, and a stuck one raises its alert until it is retried", async () => {
  const outside = { isBroken: true };
  const take = activity("take", {
    input: z.object({}),
    output: z.object({}),
    run: () => Promise.resolve({}),
  });
  const giveBack = activity("give-back", {
    input: z.object({}),
    output: z.object({}),
    run: () => outside.isBroken ? Promise.reject(new FinalError("no")) : Promise.resolve({}),
  });
  const half = saga("half", {
    input: z.object({}),
    run: async (step) => {
      await step.perform("take", take, {}, { undo: () => [giveBack, {}] });
      throw new StepError("take", "no-more", "as planned");
    },
  });
  const waits = saga("waits", {
    input: z.object({}),
    run: async (step) => {
      await step.sleep("nap", "1h");
    },
  });
  const served = await serve({ modules: [take, giveBack, half, waits] });
  await served.post("/sagas/half/h1", {});
  await served.post("/sagas/waits/w1", {});
  await served.clock.advance(2 * defaultLimits.alertEveryMs);
  const metrics = await readMetrics(served);
  expect(metrics.get('folio_sagas{saga="half",state="stuck"}')).toBe(1);
  expect(metrics.get('folio_sagas{saga="half",state="running"}')).toBe(0);
  expect(metrics.get('folio_sagas{saga="waits",state="running"}')).toBe(1);
  const about = async () =>
    (await served.get("/alerts")).body.alerts.filter(({ name }: { name: string }) => name === "saga-stuck");
  expect(await about()).toMatchObject([{ labels: { saga: "half" }, value: 1 }]);

  outside.isBroken = false;
  await served.post("/sagas/half/h1/retry", {});
  await served.clock.advance(2 * defaultLimits.alertEveryMs);
  expect(await about()).toEqual([]);
  expect((await readMetrics(served)).get('folio_sagas{saga="half",state="stuck"}')).toBe(0);
});
