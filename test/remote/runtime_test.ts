/** The whole runtime on a libSQL server over HTTP: all that it does in a folder, it does there. */
import { expect, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { UnusableStoreError } from "../../src/store/migrations.ts";
import { source } from "../reactors/support.ts";
import { ledger, names, sender, unreliable } from "../support/actors.ts";
import { startHranaServer } from "../store/databases.ts";
import { codeOf } from "../support/world.ts";
import { RemoteWorld, until } from "./support.ts";

const layouts = [{ shards: 1 }, { shards: 4 }];

test.each(layouts)(
  "commands are handled once for each id, and remembered over a restart: %j",
  async (options) => {
    const world = await RemoteWorld.start(options);
    const first = await world.open();
    const add = (key: string, n: number) => ledger.ref(key).add({ n });
    for (const key of names(6)) {
      for (let n = 1; n <= 3; n++) {
        const answer = await first.submit(add(key, n), { messageId: `${key}-${n}`, waitMs: 10_000 });
        expect(answer).toMatchObject({ status: "done", version: n });
      }
    }
    expect(await first.submit(add("l0", 2), { messageId: "l0-2", waitMs: 10_000 })).toMatchObject({
      status: "done",
      version: 2,
    });
    expect(await codeOf(first.submit(add("l0", 9), { messageId: "l0-2", waitMs: 10_000 }))).toBe(
      "message-mismatch",
    );
    expect(await first.ask(ledger.ref("l0").addEven({ n: 3 }))).toMatchObject({ ok: false });
    await first[Symbol.asyncDispose]();

    const second = await world.open();
    expect(await second.submit(add("l0", 2), { messageId: "l0-2", waitMs: 10_000 })).toMatchObject({
      status: "done",
      version: 2,
    });
    for (const key of names(6)) {
      expect(await second.state("ledger", key)).toEqual({
        state: { sum: 6, entries: [1, 2, 3] },
        version: 3,
      });
    }
    expect(await world.events()).toHaveLength(18);
  },
);

test("a failing message is retried in order, and becomes a dead letter, which can be redriven", async () => {
  const { worker, failures, attempts } = unreliable();
  const world = await RemoteWorld.start({ modules: [worker] });
  const runtime = await world.open();
  failures.set("twice", 2).set("always", 99);
  const work = (label: string) => worker.ref("w").work({ label });
  await runtime.submit(work("twice"), { waitMs: 0 });
  const dead = await runtime.submit(work("always"), { waitMs: 0 });
  expect(await runtime.ask(work("last"))).toMatchObject({ reply: { done: ["twice", "last"] } });
  expect(attempts).toEqual([..."123"].map(() => "twice").concat([..."12345"].map(() => "always"), "last"));
  expect(await runtime.message(dead.messageId)).toMatchObject({ status: "dead", attempts: 5 });
  failures.clear();
  await runtime.deadLetters.redrive(dead.messageId);
  await until(
    async () => (await runtime.message(dead.messageId)).status === "done",
    "the redriven one is done",
  );
});

test.each(layouts)(
  "what an actor sends arrives once, now and later, whichever shard it goes to: %j",
  async (options) => {
    const world = await RemoteWorld.start(options);
    const runtime = await world.open();
    const to = names(8).map((key, n) => ({ key, n }));
    await runtime.ask(sender.ref("s").fanOut({ to }));
    await runtime.ask(sender.ref("s").fanOut({ to, after: "10s" }));
    await until(async () => (await world.events()).length >= 2 + 16, "all have arrived");
    const entries = await Promise.all(names(8).map((key) => runtime.state("ledger", key)));
    expect(entries.map(({ state }) => (state as { entries: number[] }).entries)).toEqual(
      to.map(({ n }) => [n, n]),
    );
  },
);

test.each(layouts)(
  "projections and reactors follow, answer for a token, and go on after a restart: %j",
  async (options) => {
    const world = await RemoteWorld.start(options);
    let runtime = await world.open();
    for (let round = 1; round <= 2; round++) {
      const asked = await Promise.all(names(6).map((key) => runtime.ask(ledger.ref(key).add({ n: round }))));
      await Promise.all(names(6).map((key) => runtime.ask(source.ref(key).say({ n: round }))));
      for (const { token } of asked) {
        await runtime.projections.query("sums", "all", {}, {
          atLeast: runtime.parseToken(token),
          waitMs: 500_000,
        });
      }
      const { rows } = await runtime.projections.query("sums", "all", {}, { waitMs: 0 });
      expect(rows).toEqual(names(6).map((ledger) => ({ ledger, sum: round === 1 ? 1 : 3, count: round })));
      await until(
        async () =>
          ((await runtime.state("listener", "all").catch(() => ({ version: 0 }))).version) === 6 * round,
        "the reactor has told all",
      );
      await runtime[Symbol.asyncDispose]();
      runtime = await world.open();
    }
    await runtime.projections.rebuild("sums");
    const { rows } = await runtime.projections.query("sums", "of", { ledger: "l3" }, { waitMs: 0 });
    expect(rows).toEqual([{ ledger: "l3", sum: 3, count: 2 }]);
  },
);

// Would catch two processes that both believe that they own a shard: a split brain, and two histories.
test("of two processes on one store the second is served, and the first says that it is not the owner", async () => {
  const world = await RemoteWorld.start();
  const first = await world.open();
  await first.ask(ledger.ref("a").add({ n: 1 }));
  const second = await world.open();
  expect(await codeOf(first.ask(ledger.ref("a").add({ n: 100 })))).toBe("not-owner");
  expect(await codeOf(first.ask(ledger.ref("b").add({ n: 100 })))).toBe("not-owner");
  expect(first.isReady).toBe(false);
  expect(await second.ask(ledger.ref("a").add({ n: 2 }))).toMatchObject({ reply: { sum: 3 } });
  expect((await world.events()).map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }]);
});

test("a server that cannot be used is refused in words, without the secrets of its address", async () => {
  const world = await RemoteWorld.start();
  const { url } = world.server;
  const gone = await startHranaServer();
  const { url: goneUrl } = gone;
  await gone.stop();
  const guarded = await startHranaServer({ token: "right" });
  const open = (data: string, shards = 1) =>
    createRuntime({ modules: [ledger], data, shards }).then(
      () => expect.fail("it was opened"),
      (error: unknown) => error,
    );
  const refusals: [data: string, shards: number, message: RegExp][] = [
    [`${goneUrl}?authToken=hidden`, 1, /: Cannot reach http:\/\/127/],
    [`${guarded.url}?authToken=hidden`, 1, /: http:\S+ refuses the token \(HTTP 401\)$/],
    ["http://", 1, /^Cannot use http:\/\/: /],
    [
      "ws://127.0.0.1:1?authToken=hidden",
      1,
      /^Cannot use ws:\/\/127\.0\.0\.1:1: use libsql:, https: or http:$/,
    ],
    [`${url}?authToken=hidden`, 2, /for 2 shards: it has no \{shard\} in it$/],
  ];
  for (const [data, shards, message] of refusals) {
    const error = await open(data, shards);
    expect(error).toBeInstanceOf(UnusableStoreError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain("hidden");
  }
});
