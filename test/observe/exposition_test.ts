import { expect, test } from "vitest";
import { Exposition } from "../../src/observe/exposition.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { serve } from "../http/support.ts";
import { metricsText } from "./metrics_text.ts";
import { lacksPromtool } from "../support/debian.ts";
import { promtool } from "./promtool.ts";
import { FakeRuntime, seriesOf } from "./watched_fake.ts";

/** A server on which something of every kind has happened. */
async function busyPage(accept: string): Promise<Response> {
  const served = await serve({ attemptsMax: 1 });
  served.faults.failures.set("x", 1);
  await served.post("/actors/worker/w/work", { label: "x" }, {
    "idempotency-key": "m1",
    prefer: "respond-async",
  });
  await served.post("/actors/account/a/open", { owner: 'quote " and \\ and é' });
  await served.settled("m1");
  await served.clock.advance("1m");
  return await served.app.request("http://localhost/metrics", { headers: { accept } });
}

test.skipIf(lacksPromtool)("promtool finds nothing to complain of in the real output", async () => {
  const response = await busyPage("text/plain");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await promtool(["check", "metrics"], await response.text())).toEqual({ code: 0, said: "" });
});

test.skipIf(lacksPromtool)("promtool complains of what is wrong", async () => {
  const { code, said } = await promtool(["check", "metrics"], "# TYPE a counter\na 1\n");
  expect(code).not.toBe(0);
  expect(said).toContain("counter metrics should have");
});

test("OpenMetrics is served where it is accepted, with the same values", async () => {
  const response = await busyPage("application/openmetrics-text; version=1.0.0,text/plain;q=0.5");
  expect(response.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1.0.0/);
  const text = await response.text();
  expect(text).toMatch(/^# TYPE folio_commands counter$/m);
  expect(text).toMatch(/^folio_commands_total\{.*type="account".*\} 1$/m);
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("one format does not change the other", async () => {
  const runtime = new FakeRuntime();
  const exposition = new Exposition(await seriesOf(runtime, new Registry([])), () => Promise.resolve());
  const before = (await exposition.page("text/plain")).text;
  await exposition.page("application/openmetrics-text");
  expect((await exposition.page(undefined)).text).toBe(before);
});

test("circuits, running activities and sagas are shown by state", async () => {
  const runtime = new FakeRuntime();
  runtime.circuits.set("charge", "half-open");
  runtime.sagaCounts.set("running", 3).set("stuck", 1);
  const exposition = new Exposition(await seriesOf(runtime, new Registry([])), () => Promise.resolve());
  const values = metricsText((await exposition.page(undefined)).text);
  const state = (name: string) => values.get(`folio_circuit_state{activity="charge",state="${name}"}`);
  expect(["closed", "half-open", "open"].map(state)).toEqual([0, 1, 0]);
  expect(values.get('folio_activities_running{activity="charge"}')).toBe(2);
  const sagas = (name: string) => values.get(`folio_sagas{saga="booking",state="${name}"}`);
  expect(["running", "compensating", "stuck"].map(sagas)).toEqual([3, 0, 1]);
});
