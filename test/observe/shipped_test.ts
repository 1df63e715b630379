import { expect, test } from "vitest";
import { z } from "zod";
import { alertNames } from "../../src/observe/alert_checks.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { lacksPromtool } from "../support/debian.ts";
import { promtool } from "./promtool.ts";
import { FakeRuntime, seriesOf } from "./watched_fake.ts";

/** What `docs/` ships for Prometheus and Grafana, checked against what is really measured. */

const docs = new URL("../../docs/", import.meta.url);
const rules = await Deno.readTextFile(new URL("prometheus-rules.yml", docs));

const Place = z.object({ x: z.int(), y: z.int(), w: z.int().positive(), h: z.int().positive() });
const Dashboard = z.object({
  title: z.string(),
  uid: z.string(),
  schemaVersion: z.int(),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
  panels: z.array(z.object({
    id: z.int(),
    type: z.enum(["row", "stat", "timeseries"]),
    title: z.string().min(1),
    gridPos: Place,
    targets: z.array(z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string() })).default([]),
  })),
});
const dashboard = Dashboard.parse(
  JSON.parse(await Deno.readTextFile(new URL("grafana-dashboard.json", docs))),
);

/** Names of the series that Prometheus will know, from what the program says it measures. */
async function measured(): Promise<Set<string>> {
  const all = await seriesOf(new FakeRuntime(), new Registry([]));
  return new Set(
    all.flatMap(({ name, kind }) =>
      kind === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name]
    ),
  );
}

function namesIn(text: string): string[] {
  return [...new Set(text.match(/\b(folio|process)_[a-z_]+/g) ?? [])].filter((name) =>
    name !== "folio_alert"
  );
}

test.skipIf(lacksPromtool)("promtool finds the rules in order", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yml" });
  await Deno.writeTextFile(file, rules);
  expect(await promtool(["check", "rules", file])).toMatchObject({ code: 0 });
  await Deno.remove(file);
});

test("every alert that Folio raises has its rule", () => {
  const named = [...rules.matchAll(/folio_alert: ([a-z-]+)/g)].map(([, name]) => name);
  expect(named.sort()).toEqual([...alertNames].sort());
});

test("rules and dashboard ask for nothing that is not measured", async () => {
  const known = await measured();
  const asked = namesIn(
    rules + dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(),
  );
  expect(asked.length).toBeGreaterThan(15);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});

test("every metric has its place in the dashboard, or in a rule", async () => {
  const asked = namesIn(rules + JSON.stringify(dashboard));
  const all = await seriesOf(new FakeRuntime(), new Registry([]));
  const unseen = all.map(({ name }) => name).filter((name) => !asked.some((one) => one.startsWith(name)));
  expect(unseen.sort()).toEqual([
    "folio_activities_running",
    "folio_commit_size_bytes",
    "folio_commits_total",
    "folio_events_total",
    "folio_reactor_lag_events",
    "process_start_time_seconds",
  ]);
});

// Would catch a query that Grafana can load and Prometheus cannot read.
test.skipIf(lacksPromtool)("promtool can read every query of the dashboard", async () => {
  const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const lines = queries.map((expr, index) =>
    `      - record: query_${index}\n        expr: ${
      JSON.stringify(expr.replaceAll("$__rate_interval", "1m"))
    }`
  );
  const file = await Deno.makeTempFile({ suffix: ".yml" });
  await Deno.writeTextFile(file, `groups:\n  - name: dashboard\n    rules:\n${lines.join("\n")}\n`);
  expect(await promtool(["check", "rules", file])).toMatchObject({ code: 0 });
  await Deno.remove(file);
});

test("panels have ids of their own and do not cover each other", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    expect(x + w).toBeLessThanOrEqual(24);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        expect(taken.get(`${column},${line}`), `${title} covers`).toBeUndefined();
        taken.set(`${column},${line}`, title);
      }
    }
  }
});
