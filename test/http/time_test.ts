import { expect, test } from "vitest";
import { z } from "zod";
import { actor, command, createApp, createRuntime, schedule } from "../../src/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { onTestFinished } from "vitest";
import { readAnswer } from "./support.ts";

const alarm = actor("alarm", {
  initialState: () => ({ rung: 0 }),
  events: { Rang: z.object({}) },
  evolve: { Rang: (state) => ({ rung: state.rung + 1 }) },
  commands: {
    set: command(z.object({ name: z.string(), after: z.string() }), (turn, { name, after }) => {
      turn.schedule(name, { after: after as "1s" }, {
        type: "alarm",
        key: turn.key,
        command: "ring",
        input: {},
      });
    }),
    ring: command(z.object({}), (turn) => turn.emit("Rang", {})),
  },
});
const hourly = schedule("hourly", { cron: "0 * * * *", timeZone: "Europe/Berlin" }, alarm.ref("x").ring());

async function serve(shards = 1) {
  const clock = new VirtualClock();
  const runtime = await createRuntime({ modules: [alarm, hourly], data: ":memory:", shards, clock });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  const ask = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    await readAnswer(
      await app.request(`http://localhost${path}`, {
        method,
        headers: { ...headers, ...(body ? { "content-type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
    );
  await clock.settle();
  return { clock, ask };
}

test.each([1, 4])("timers are listed, soonest first, with %i shards", async (shards) => {
  const { ask } = await serve(shards);
  for (const [key, name, after] of [["a", "late", "2h"], ["b", "soon", "1m"], ["a", "now", "30s"]] as const) {
    expect((await ask("POST", `/actors/alarm/${key}/set`, { name, after })).status).toBe(200);
  }
  const { body } = await ask("GET", "/timers?limit=2");
  expect(body).toMatchObject({
    timers: [
      {
        actor: "alarm/a",
        name: "now",
        dueAt: "2026-01-01T00:00:30.000Z",
        sends: { actor: "alarm/a", command: "ring" },
      },
      { actor: "alarm/b", name: "soon" },
    ],
    hasMore: true,
  });
  const { body: ofA } = await ask("GET", "/timers?actor=alarm/a");
  expect(ofA).toMatchObject({ timers: [{ name: "now" }, { name: "late" }], hasMore: false });
  expect((await ask("GET", "/timers?limit=0")).status).toBe(400);
  expect((await ask("GET", "/timers?of=x")).status).toBe(400);
});

test.each([1, 4])("delayed messages are listed among timers, with %i shards", async (shards) => {
  const { ask, clock } = await serve(shards);
  await ask("POST", "/actors/alarm/a/set", { name: "t", after: "1m" });
  await ask("POST", "/actors/alarm/b/ring", {}, { "folio-delay": "30s", "idempotency-key": "m" });
  expect((await ask("GET", "/timers?limit=2")).body.timers).toMatchObject([
    {
      actor: "alarm/b",
      messageId: "m",
      dueAt: "2026-01-01T00:00:30.000Z",
      sends: { actor: "alarm/b", command: "ring" },
    },
    { actor: "alarm/a", name: "t" },
  ]);
  expect((await ask("GET", "/timers?actor=alarm/b")).body.timers).toHaveLength(1);
  await clock.advance("30s");
  expect((await ask("GET", "/timers?actor=alarm/b")).body.timers).toEqual([]);
});

test("schedules are listed with what comes next, paused and resumed", async () => {
  const { ask, clock } = await serve();
  const { body } = await ask("GET", "/schedules");
  expect(body.schedules).toHaveLength(1);
  expect(body.schedules[0]).toMatchObject({
    name: "hourly",
    cron: "0 * * * *",
    timeZone: "Europe/Berlin",
    misfire: "skip",
    sends: { actor: "alarm/x", command: "ring" },
    isPaused: false,
    fired: 0,
  });
  expect(body.schedules[0].next).toHaveLength(10);
  expect(body.schedules[0].next[0]).toBe("2026-01-01T01:00:00.000Z");
  expect((await ask("POST", "/schedules/hourly/pause")).body).toMatchObject({ isPaused: true, next: [] });
  await clock.advance("3h");
  expect((await ask("GET", "/actors/alarm/x")).status).toBe(404);
  expect((await ask("POST", "/schedules/hourly/resume", {})).body.next[0]).toBe("2026-01-01T04:00:00.000Z");
  await clock.advance("1h");
  expect((await ask("GET", "/schedules/hourly")).body).toMatchObject({
    fired: 1,
    firedAt: "2026-01-01T04:00:00.000Z",
  });
  expect((await ask("GET", "/actors/alarm/x")).body.state).toEqual({ rung: 1 });
});

test.each([
  ["GET", "/schedules/absent", undefined, 404, "unknown-schedule"],
  ["POST", "/schedules/absent/pause", undefined, 404, "unknown-schedule"],
  ["POST", "/schedules/hourly/pause", { until: "noon" }, 422, "invalid-input"],
  ["POST", "/schedules/hourly/stop", undefined, 404, "not-found"],
  ["DELETE", "/timers", undefined, 405, "method-not-allowed"],
])("%s %s with %j is answered %i %s", async (method, path, body, status, code) => {
  const { ask } = await serve();
  expect(await ask(method, path, body)).toMatchObject({ status, body: { code } });
});

test("a command that waits past its time is rejected as expired, and shown so", async () => {
  const { ask, clock } = await serve();
  const headers = { "folio-delay": "10s", "folio-expires-after": "10s", "idempotency-key": "m" };
  expect((await ask("POST", "/actors/alarm/x/ring", {}, headers)).status).toBe(202);
  expect((await ask("GET", "/messages/m")).body).toMatchObject({
    status: "queued",
    expiresAt: "2026-01-01T00:00:10.000Z",
  });
  await clock.advance("10s");
  expect((await ask("GET", "/messages/m")).body).toMatchObject({
    status: "rejected",
    rejection: { code: "expired" },
  });
  const inTime = {
    "folio-delay": "10s",
    "folio-expires-at": "2026-01-01T00:00:20.001Z",
    "idempotency-key": "n",
  };
  await ask("POST", "/actors/alarm/x/ring", {}, inTime);
  await clock.advance("10s");
  expect((await ask("GET", "/messages/n")).body).toMatchObject({ status: "done" });
});

test.each([
  [{ "folio-expires-after": "soon" }, "Folio-Expires-After"],
  [{ "folio-expires-at": "tomorrow" }, "Folio-Expires-At"],
  [{ "folio-expires-after": "1s", "folio-expires-at": "2026-01-02T00:00:00Z" }, "Folio-Expires-After"],
  [{ "folio-expires-after": "367d" }, "Folio-Expires-After"],
])("%j is refused", async (headers, name) => {
  const { ask } = await serve();
  expect(await ask("POST", "/actors/alarm/x/ring", {}, headers)).toMatchObject({
    status: 400,
    body: { code: "malformed", name },
  });
});
