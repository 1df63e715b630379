/** Crashes and lost commits at each point of an activity's life. */
import { describe, expect, test } from "vitest";
import { at } from "../support/world.ts";
import { type Options, Outside, WorkWorld } from "./support.ts";

describe("a crash", () => {
  test("before anything is on disk leaves nothing", async () => {
    const work = await WorkWorld.start();
    work.world.engineOf("boss/b").hang();
    work.ask(["a"]).catch(() => {});
    await work.clock.settle();
    await work.world.crash();
    await work.clock.advance("1h");
    expect(work.outside.runs).toEqual([]);
  });

  test("while it waits for its turn lets it be performed once", async () => {
    const work = await WorkWorld.start({ concurrency: 1 });
    await work.ask(["a", "b"]);
    work.outside.last.succeed();
    await work.clock.settle();
    work.outside.behave = (run) => run.succeed();
    await work.world.crash();
    expect(await work.told()).toEqual([`a done {"label":"a"}`, `b done {"label":"b"}`]);
  });

  test("during the backoff keeps to it, and to the attempts so far", async () => {
    const work = await WorkWorld.start({ retry: { attemptsMax: 2, delayMs: 10_000 } });
    const [id = ""] = await work.ask(["a"]);
    work.outside.last.fail();
    await work.clock.advance("4s");
    await work.world.crash();
    await work.clock.advance(5_999);
    expect(work.outside.runs).toHaveLength(1);
    await work.clock.advance(1);
    expect(work.outside.last.context.attempt).toBe(2);
    work.outside.last.fail();
    expect(await work.message(id)).toMatchObject({ status: "dead", attempts: 2 });
  });

  test("during an attempt lets it be made again, at once", async () => {
    const work = await WorkWorld.start();
    const [id = ""] = await work.ask(["a"]);
    await work.world.crash();
    await work.clock.settle();
    expect(work.outside.runs.map(({ context }) => context.attempt)).toEqual([1, 2]);
    expect(work.outside.last.context.idempotencyKey).toBe(id);
    at(work.outside.runs, 0).succeed({ label: "ghost" });
    work.outside.last.succeed();
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
    const { failures } = await work.message(id);
    expect(failures).toMatchObject([{ attempt: 1, error: expect.stringMatching(/^InterruptedError: /) }]);
  });

  test("after its outcome is on disk changes nothing any more", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    work.outside.last.succeed();
    await work.clock.settle();
    await work.world.crash();
    await work.clock.advance("1h");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
  });

  test("on the way of its outcome to the disk lets it be made again", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    work.world.engineOf("boss/b").hang();
    work.outside.last.succeed();
    await work.clock.settle();
    work.outside.behave = (run) => run.succeed();
    await work.world.crash();
    await work.clock.settle();
    expect(work.outside.runs).toHaveLength(2);
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
  });

  // Would catch an activity that ends its process each time doing so for ever.
  test("in each attempt makes a dead letter in the end", async () => {
    const work = await WorkWorld.start({ retry: { attemptsMax: 2 } });
    const [id = ""] = await work.ask(["a"]);
    for (let crash = 0; crash < 10; crash++) {
      await work.world.crash();
      await work.clock.settle();
    }
    expect(work.outside.runs).toHaveLength(4);
    expect(await work.message(id)).toMatchObject({ status: "dead" });
    expect(await work.told()).toEqual([expect.stringMatching(/^a dead-letter InterruptedError/)]);
  });

  test("in each attempt makes a dead letter in the end, also where reconcile finds nothing", async () => {
    const work = await WorkWorld.start({
      retry: { attemptsMax: 2 },
      reconcile: () => Promise.resolve(undefined),
    });
    const [id = ""] = await work.ask(["a"]);
    for (let crash = 0; crash < 10; crash++) {
      await work.world.crash();
      await work.clock.settle();
    }
    expect(work.outside.runs).toHaveLength(4);
    expect(await work.message(id)).toMatchObject({ status: "dead" });
  });

  test("that lasts until after its time expires what waited", async () => {
    const work = await WorkWorld.start({ concurrency: 1 });
    await work.ask(["a", { label: "b", expiresAfter: "10s" }]);
    work.world.engineOf("boss/b").kill();
    await work.clock.advance("20s");
    await work.world.crash();
    expect(await work.told()).toEqual([expect.stringMatching(/^b expired/)]);
    expect(work.outside.labels).toEqual(["a", "a"]);
  });
});

describe("at most once", () => {
  const delivery = "at-most-once";

  test("a failure is the end", async () => {
    const work = await WorkWorld.start({ delivery });
    await work.ask(["a"]);
    work.outside.last.fail();
    await work.clock.advance("1h");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual(["a dead-letter Error: failed, as planned"]);
  });

  test("what a crash has interrupted is not made again, and the dead letter says so", async () => {
    const work = await WorkWorld.start({ delivery });
    const [id = ""] = await work.ask(["a"]);
    await work.world.crash();
    await work.clock.advance("1h");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([
      expect.stringMatching(/^a dead-letter InterruptedError: .* once at the most$/),
    ]);
    await work.world.runtime.deadLetters.redrive(id);
    await work.clock.settle();
    expect(work.outside.runs).toHaveLength(2); // an operator may
  });

  test("what a crash found waiting is made", async () => {
    const work = await WorkWorld.start({ delivery, concurrency: 1 });
    await work.ask(["a", "b"]);
    await work.world.crash();
    await work.clock.settle();
    expect(work.outside.labels).toEqual(["a", "b"]);
  });

  test("reconcile may say that it did not take place", async () => {
    const work = await WorkWorld.start({ delivery, reconcile: () => Promise.resolve(undefined) });
    await work.ask(["a"]);
    await work.world.crash();
    await work.clock.settle();
    expect(work.outside.runs).toHaveLength(2);
  });
});

describe("reconcile", () => {
  /** How it answers, and what it was asked. */
  function reconciled(answer: (asked: number) => Promise<{ label: string } | undefined>) {
    const asked: [string, unknown][] = [];
    const options: Options = {
      reconcile: (key, input) => {
        asked.push([key, input]);
        return answer(asked.length);
      },
      retry: { attemptsMax: 3, delayMs: 1_000 },
    };
    return { asked, options };
  }

  test("is not asked where nothing is in doubt", async () => {
    const { asked, options } = reconciled(() => Promise.resolve(undefined));
    const work = await WorkWorld.start({ ...options, concurrency: 1 });
    await work.ask(["a", "b"]);
    work.outside.last.fail();
    await work.clock.settle();
    work.outside.last.succeed();
    await work.clock.settle();
    work.outside.behave = (run) => run.succeed();
    await work.world.crash();
    await work.clock.advance("1h");
    expect(work.outside.labels).toEqual(["a", "b", "a"]);
    expect(asked).toEqual([]);
  });

  test("has the say of what an interrupted attempt gave", async () => {
    const { asked, options } = reconciled(() => Promise.resolve({ label: "found" }));
    const work = await WorkWorld.start(options);
    const [id = ""] = await work.ask(["a"]);
    await work.world.crash();
    expect(await work.told()).toEqual([`a done {"label":"found"}`]);
    expect(asked).toEqual([[id, { label: "a" }]]);
    expect(work.outside.runs).toHaveLength(1);
  });

  test("lets it be made again when it finds nothing, and its backoff counts again", async () => {
    const { asked, options } = reconciled(() => Promise.resolve(undefined));
    const work = await WorkWorld.start(options);
    await work.ask(["a"]);
    await work.world.crash();
    await work.clock.settle();
    expect(work.outside.runs).toHaveLength(2);
    work.outside.last.fail();
    await work.clock.advance(1_999);
    expect(work.outside.runs).toHaveLength(2);
    await work.clock.advance(1);
    expect(work.outside.runs).toHaveLength(3);
    expect(asked.length).toBeGreaterThanOrEqual(1);
  });

  test("that fails is asked again before anything else, and ends as a dead letter", async () => {
    const { asked, options } = reconciled(() => Promise.reject(new Error("cannot say")));
    const work = await WorkWorld.start(options);
    await work.ask(["a"]);
    await work.world.crash();
    await work.clock.advance("1h");
    expect(asked).toHaveLength(2);
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual(["a dead-letter Error: cannot say"]);
  });

  test("that fails once and then knows is believed", async () => {
    const { options } = reconciled((asked) =>
      asked === 1 ? Promise.reject(new Error("cannot say")) : Promise.resolve({ label: "found" })
    );
    const work = await WorkWorld.start(options);
    await work.ask(["a"]);
    await work.world.crash();
    await work.clock.advance("1h");
    expect(await work.told()).toEqual([`a done {"label":"found"}`]);
    expect(work.outside.runs).toHaveLength(1);
  });

  test("is bounded by the timeout, after which nothing is run on its word", async () => {
    const late = Promise.withResolvers<undefined>();
    const { options } = reconciled((asked) =>
      asked === 1 ? late.promise : Promise.resolve({ label: "found" })
    );
    const work = await WorkWorld.start({ ...options, timeout: "5s" });
    await work.ask(["a"]);
    await work.world.crash();
    await work.clock.advance("5s");
    late.resolve(undefined);
    await work.clock.advance("1m");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([`a done {"label":"found"}`]);
  });

  test("is asked when a dead letter is redriven", async () => {
    const { asked, options } = reconciled(() => Promise.resolve({ label: "found" }));
    const work = await WorkWorld.start({ ...options, retry: { attemptsMax: 1 } });
    const [id = ""] = await work.ask(["a"]);
    work.outside.last.fail();
    await work.clock.settle();
    await work.world.runtime.deadLetters.redrive(id);
    expect(await work.told()).toEqual([expect.stringMatching(/dead-letter/), `a done {"label":"found"}`]);
    expect(asked).toHaveLength(1);
  });
});

describe("a lost commit", () => {
  test("of the beginning lets it begin anew, without having run", async () => {
    const work = await WorkWorld.start({ concurrency: 1, timeout: "1h" });
    await work.ask(["a", "b"]);
    const engine = work.world.engineOf("boss/b");
    engine.plan("ok", "before");
    const release = engine.hang();
    work.outside.last.succeed();
    await work.clock.settle();
    release();
    await work.clock.advance("1m");
    expect(work.outside.labels).toEqual(["a", "b"]);
    work.outside.last.succeed();
    expect(await work.told()).toEqual([`a done {"label":"a"}`, `b done {"label":"b"}`]);
  });

  test.each<["before" | "after", Options["delivery"]]>([
    ["before", "at-least-once"],
    ["before", "at-most-once"],
    ["after", "at-least-once"],
    ["after", "at-most-once"],
  ])("of its outcome (%s, %s) does not let it be made again: it is told again", async (fault, delivery) => {
    const work = await WorkWorld.start({ delivery });
    const [id = ""] = await work.ask(["a"]);
    work.world.engineOf("boss/b").plan(fault);
    work.outside.last.succeed();
    await work.clock.advance("1m");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
    expect(await work.message(id)).toMatchObject({ status: "done", attempts: 1, failures: [] });
  });

  test.each(["before", "after"] as const)("of a failure (%s) is told again, too", async (fault) => {
    const work = await WorkWorld.start({ retry: { delayMs: 60_000, delayMsMax: 60_000 } });
    const [id = ""] = await work.ask(["a"]);
    work.world.engineOf("boss/b").plan(fault);
    work.outside.last.fail();
    await work.clock.advance("50s");
    expect(work.outside.runs).toHaveLength(1);
    expect((await work.message(id)).failures).toHaveLength(1);
    await work.clock.advance("1m");
    expect(work.outside.runs).toHaveLength(2);
  });

  test("while it runs does not disturb it, wherever its end falls", async () => {
    for (const end of ["before", "during", "after"] as const) {
      const work = await WorkWorld.start({ timeout: "1h" }, { outside: new Outside() });
      await work.ask(["a"]);
      const engine = work.world.engineOf("boss/b");
      engine.plan("before");
      engine.headFailures = 3;
      work.ask(["b"], "b").catch(() => {});
      await work.clock.settle();
      if (end === "before") at(work.outside.runs, 0).succeed();
      await work.clock.advance(150);
      if (end === "during") at(work.outside.runs, 0).succeed();
      await work.clock.advance("1m");
      if (end === "after") at(work.outside.runs, 0).succeed();
      expect(await work.told(), end).toEqual([`a done {"label":"a"}`]);
      expect(work.outside.labels.filter((label) => label === "a"), end).toHaveLength(1);
    }
  });

  test("to another process aborts what runs here", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    work.world.engineOf("boss/b").plan("fenced");
    work.ask(["b"]).catch(() => {});
    await work.clock.advance("1s");
    expect(at(work.outside.runs, 0).context.signal.aborted).toBe(true);
    expect(work.status()).toMatchObject({ running: 0, queued: 0 });
    at(work.outside.runs, 0).succeed();
    expect(await work.told()).toEqual([]);
  });
});
