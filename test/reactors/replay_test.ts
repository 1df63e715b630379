/** Reactors are replayed on purpose: nothing is sent unless that is asked for, and then once more, whatever crashes. */
import { describe, expect, test } from "vitest";
import { reactor } from "../../src/core/reactor.ts";
import modules from "../../actors/mod.ts";
import { user } from "../../actors/user.ts";
import { createApp } from "../../src/http/app.ts";
import { expectProblem, serve } from "../http/support.ts";
import { openRuntime, runTask } from "../scripts/support.ts";
import { temporaryFolder } from "../store/databases.ts";
import { codeOf, watch } from "../support/world.ts";
import { Followed, listener, source } from "./support.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Ids of the messages that an actor has handled, in order. */
async function idsTo(followed: Followed, actor: string): Promise<string[]> {
  const events = await followed.world.events();
  return events.filter((event) => event.actor === actor).map(({ messageId }) => messageId);
}

describe.each([1, 4])("with %i shards", (shards) => {
  test("a replay tells what would be sent, and sends nothing", async () => {
    const followed = await Followed.start({ shards });
    for (let n = 1; n <= 5; n++) await followed.say(`a${n}`, n);
    const before = await followed.heard("all");
    const token = followed.world.runtime.formatToken(followed.world.runtime.positions());
    const report = await followed.reactors.rehearse("tell");
    expect(report).toMatchObject({
      reactor: "tell",
      eventsAnswered: 5,
      messages: 10,
      messagesByCommand: { "listener/hear": 10 },
    });
    await followed.world.clock.advance("1m");
    expect(await followed.heard("all")).toEqual(before);
    expect(
      (await followed.reactors.rehearse("tell", { after: followed.world.runtime.parseToken(token) }))
        .messages,
    )
      .toBe(0);
    expect((await followed.reactors.rehearse("tell", { at: followed.world.clock.now() })).messages).toBe(0);
  });

  test("sending again answers each event once more, in messages of other ids, and new events as ever", async () => {
    const followed = await Followed.start({ shards });
    for (let n = 1; n <= 150; n++) await followed.say("a", n);
    expect(await followed.heard("a")).toEqual(numbers(150));
    const status = await followed.reactors.resend("tell");
    expect(status).toMatchObject({ status: "live", replay: { run: 1 } });
    await followed.say("a", 151);
    await followed.reactors.replayed();
    const heard = await followed.heard("a") as number[];
    expect(heard.filter((_, index) => index < 150)).toEqual(numbers(150));
    expect(heard.toSorted((a, b) => a - b)).toEqual([...numbers(150), ...numbers(151)].sort((a, b) => a - b));
    expect(followed.reactors.list()).toEqual([{ name: "tell", status: "live", lagEvents: 0 }]);
    await followed.reactors.resend("tell");
    await followed.reactors.replayed();
    expect(await followed.heard("all")).toHaveLength(151 + 150 + 151);
    const ids = await idsTo(followed, "listener/a");
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id.startsWith("tell~1."))).toHaveLength(150);
    expect(ids.filter((id) => id.startsWith("tell~2."))).toHaveLength(151);
  });

  // Would catch a run that is forgotten, one whose checkpoint is apart from its messages, and one that begins anew.
  test("a process that is killed at any commit of a replay leaves each event answered twice", async () => {
    for (let commits = 0; commits < 8; commits++) {
      const followed = await Followed.start({ shards });
      for (let n = 1; n <= 3; n++) await followed.say("a", n);
      await followed.heard("all");
      const { engines } = followed.world;
      let left = commits;
      for (const engine of engines) {
        const append = engine.append.bind(engine);
        engine.append = async (...args) => {
          if (left-- <= 0) { for (const each of engines) each.kill(); }
          return await append(...args);
        };
      }
      const asked = watch(followed.reactors.resend("tell"));
      await followed.world.settle();
      const isAcknowledged = asked.state === "resolved";
      await followed.world.crash();
      followed.follow();
      await followed.world.clock.advance("10s");
      const heard = await followed.heard("all") as number[];
      const twice = [1, 1, 2, 2, 3, 3];
      // Who was not answered may find that it is done, or that nothing is.
      const isDone = isAcknowledged || heard.length > 3;
      expect(heard.toSorted(), `killed after ${commits} commits`).toEqual(isDone ? twice : [1, 2, 3]);
      await followed.reactors.resend("tell");
      await followed.world.clock.advance("10s");
      expect((await followed.heard("a") as number[]).toSorted()).toEqual(
        (isDone ? [...twice, 1, 2, 3] : twice).toSorted(),
      );
    }
  });
});

test("what a reactor has never seen, because it started later, can be sent on purpose", async () => {
  const late = reactor("late", {
    from: [source],
    on: { "source/Said": (react, event) => react.send(listener.ref("late").hear({ n: event.payload.n })) },
  });
  const followed = await Followed.start({ modules: [source, listener] });
  await followed.say("a", 1);
  await followed.stop();
  await followed.world.restart([source, listener, late]);
  followed.follow();
  await followed.world.settle();
  await followed.say("a", 2);
  expect(await followed.heard("late")).toEqual([2]);
  const upToNow = { at: followed.world.clock.now() + 1 };
  expect(await followed.reactors.rehearse("late", upToNow)).toMatchObject({ messages: 0 });
  await followed.reactors.resend("late", { after: new Map() });
  await followed.reactors.replayed();
  expect(await followed.heard("late")).toEqual([2, 1, 2]);
});

test("a handler that fails ends a rehearsal, and holds a replay back until it is mended or given up", async () => {
  let isBroken = false;
  const fragile = reactor("fragile", {
    from: [source],
    startFrom: "beginning",
    on: {
      "source/Said": (react, event) => {
        if (isBroken && event.payload.n === 2) throw new Error("cannot do two");
        react.send(listener.ref("f").hear({ n: event.payload.n }));
      },
    },
  });
  const modules = [source, listener, fragile];
  const followed = await Followed.start({ modules });
  for (let n = 1; n <= 3; n++) await followed.say("a", n);
  expect(await followed.heard("f")).toEqual([1, 2, 3]);
  isBroken = true;
  const failure = { error: "Error: cannot do two", event: { type: "Said", actor: "source/a", version: 2 } };
  expect(await followed.reactors.rehearse("fragile")).toMatchObject({ messages: 1, failure });
  await followed.reactors.resend("fragile");
  expect(await followed.heard("f")).toEqual([1, 2, 3, 1]);
  expect(followed.reactors.list()).toMatchObject([{ status: "live", replay: { run: 1, failure } }]);
  expect(await codeOf(followed.reactors.resend("fragile"))).toBe("replay-in-progress");
  isBroken = false;
  await followed.stop();
  await followed.world.restart(modules);
  followed.follow();
  expect(await followed.heard("f")).toEqual([1, 2, 3, 1, 2, 3]);

  isBroken = true;
  await followed.reactors.resend("fragile");
  await followed.world.settle();
  expect(await followed.reactors.cancelReplay("fragile")).toEqual({
    name: "fragile",
    status: "live",
    lagEvents: 0,
  });
  isBroken = false;
  await followed.world.crash(modules);
  followed.follow();
  expect(await followed.heard("f")).toEqual([1, 2, 3, 1, 2, 3, 1]);
  await followed.reactors.resend("fragile");
  expect(followed.reactors.list()).toMatchObject([{ replay: { run: 3 } }]);
});

// Would catch a run that goes on in some shards only: its messages would be sent in part, and again with the next.
test("a replay that was not begun in every shard is none", async () => {
  const followed = await Followed.start({ shards: 4 });
  for (let n = 1; n <= 8; n++) await followed.say(`a${n}`, n);
  await followed.heard("all");
  followed.world.engines[2]?.plan("before");
  const asked = watch(followed.reactors.resend("tell"));
  await followed.world.settle();
  expect(asked).toMatchObject({ state: "rejected", error: { code: "store-unavailable" } });
  await followed.world.crash();
  followed.follow();
  await followed.world.clock.advance("10s");
  expect(await followed.heard("all")).toHaveLength(8);
  expect(await followed.reactors.resend("tell")).toMatchObject({ replay: { run: 2 } });
  await followed.world.clock.advance("10s");
  expect(await followed.heard("all")).toHaveLength(16);
  const ids = await idsTo(followed, "listener/all");
  expect(ids.filter((id) => id.startsWith("tell~1."))).toEqual([]);
});

test("a reactor that there is not, and a place that is not in the log", async () => {
  const followed = await Followed.start();
  expect(await codeOf(followed.reactors.rehearse("nobody"))).toBe("unknown-reactor");
  expect(await codeOf(followed.reactors.resend("nobody"))).toBe("unknown-reactor");
  expect(await codeOf(followed.reactors.cancelReplay("nobody"))).toBe("unknown-reactor");
  expect(await codeOf(followed.reactors.resend("tell", { after: new Map([[0, 9]]) }))).toBe("malformed");
  expect(await followed.reactors.rehearse("tell")).toMatchObject({ token: "0.0", eventsAnswered: 0 });
});

test("over HTTP: what would be sent, sending it again, and giving that up, as the document says", async () => {
  const served = await serve({});
  // deno-lint-ignore no-explicit-any -- a document is looked at in many places, each of another shape
  const { paths, components }: any = (await served.get("/openapi.json")).body;
  const agree = (method: string, path: string, status: number, body: Record<string, unknown>) => {
    const { $ref } = paths[path][method].responses[status].content["application/json"].schema;
    const { properties, required } = components.schemas[$ref.split("/").at(-1)];
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(body)));
    expect(Object.keys(body)).toEqual(expect.arrayContaining(required));
  };
  await served.post("/actors/user/ann/sign-up", { email: "ann@example.org", name: "Ann" });
  await served.clock.settle();
  const told = await served.post("/reactors/welcome/replay");
  expect(told).toMatchObject({
    status: 200,
    body: { reactor: "welcome", eventsAnswered: 1, messagesByCommand: { "onboarding/request": 4 } },
  });
  agree("post", "/reactors/{name}/replay", 200, told.body);
  const eventsLeft = [...served.runtime.positions().values()].reduce((sum, position) => sum + position, 0);
  const sent = await served.post("/reactors/welcome/replay?resend=true&from=2000-01-01T00:00:00Z");
  expect(sent).toMatchObject({ status: 202, body: { name: "welcome", replay: { run: 1, eventsLeft } } });
  expect(sent.headers.get("location")).toBe("/reactors");
  agree("post", "/reactors/{name}/replay", 202, sent.body);
  await served.runtime.reactors.replayed();
  await served.clock.settle();
  const { shard, position } = (await served.get("/actors/user/ann/events")).body.events[0];
  expect((await served.get(`/messages/welcome~1.${shard}.${position}.0`)).body).toMatchObject({
    actor: "onboarding/ann",
    status: "done",
  });
  const list = await served.get("/reactors");
  expect(list.body).toEqual({ reactors: [{ name: "welcome", status: "live", lagEvents: 0 }] });
  const ended = await served.request("/reactors/welcome/replay", { method: "DELETE" });
  expect(ended).toMatchObject({ status: 200, body: { name: "welcome", status: "live" } });
  agree("delete", "/reactors/{name}/replay", 200, ended.body);

  expectProblem(await served.post("/reactors/nobody/replay"), 404, "unknown-reactor");
  expectProblem(await served.post("/reactors/welcome/replay?resend=yes"), 400, "malformed", "resend");
  expectProblem(await served.post("/reactors/welcome/replay?from=x"), 400, "malformed", "from");
  expectProblem(await served.get("/reactors/welcome/replay"), 405, "method-not-allowed");
});

test("the script tells what would be sent, and sends it again, in a folder and on a server", async () => {
  const folder = temporaryFolder();
  const runtime = await openRuntime({ modules, data: folder, shards: 2 });
  await runtime.ask(user.ref("ann")["sign-up"]({ email: "ann@example.org", name: "Ann" }));
  const app = createApp(runtime);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
  const url = `http://127.0.0.1:${server.addr.port}`;
  const replay = (...flags: string[]) => runTask("replay", "--reactor", "welcome", ...flags);
  expect(await replay("--url", url)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("4  onboarding/request"),
  });
  expect((await replay("--url", url, "--resend")).stdout).toContain("begin with welcome~1");
  await server.shutdown();
  await runtime[Symbol.asyncDispose]();
  expect((await replay("--data", folder)).stdout).toContain("would send 4 messages about 1 events");
  expect((await replay("--data", folder, "--resend")).stdout).toContain("begin with welcome~2");
  expect((await runTask("replay", "--reactor", "nobody", "--data", folder)).stderr).toContain("only none");
  expect((await replay("--check", "--data", folder)).code).toBe(2);
});
