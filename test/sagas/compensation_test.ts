import { saga } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { broken, desk, doing, done, startWorld, told, undoable } from "./desk.ts";
import { journalOf, statusOf } from "./support.ts";

const Steps = z.object({ steps: z.array(z.string()) });

/** Does one after the other. */
const list = saga("list", {
  input: Steps,
  run: async (step, { steps }) => {
    for (const what of steps) await step.ask(what, doing(what), undoable);
    return steps.length;
  },
});

test("what was done is undone in reverse order", async () => {
  const world = await startWorld(list);
  await world.runtime.sagas.start("list", "1", { steps: ["a", "b", "c", "refused"] });
  await world.settle();
  expect(await done(world)).toBe("a b c -c -b -a");
  expect(await statusOf(world, "list", "1")).toMatchObject({
    status: "failed",
    error: { code: "refused", details: { what: "refused" } },
  });
});

test("a step's error can be caught, and the saga goes on", async () => {
  const caught = saga("caught", {
    input: z.object({}),
    run: async (step) => {
      await step.ask("a", doing("a"), undoable);
      const error = await step.ask("refused", doing("refused")).then(() => "", told);
      await step.ask("b", doing("b"));
      return error;
    },
  });
  const world = await startWorld(caught);
  await world.runtime.sagas.start("caught", "1", {});
  await world.settle();
  expect(await statusOf(world, "caught", "1")).toMatchObject({
    status: "completed",
    output: "refused: refused",
  });
  expect(await done(world)).toBe("a b");
});

test("a command that cannot be handled fails its step at once, and is journaled as one that did", async () => {
  const wrong = saga("wrong", {
    input: z.object({}),
    run: async (step) => {
      const request = { type: "desk", key: "1", command: "fly", input: {} };
      const first = await step.ask("fly", request).then(() => "", told);
      await step.sleep("1m");
      return first;
    },
  });
  const world = await startWorld(wrong);
  await world.runtime.sagas.start("wrong", "1", {});
  await world.settle();
  await world.restart();
  await world.clock.advance("2m");
  expect(await statusOf(world, "wrong", "1")).toMatchObject({
    status: "completed",
    output: "fly: unknown-command",
  });
});

test("a dead letter of a step's message fails the step; it is done after all only by force, and not in silence", async () => {
  const world = await startWorld(list);
  broken.add("b");
  await world.runtime.sagas.start("list", "1", { steps: ["a", "b"] });
  await world.clock.advance("5m");
  expect(await statusOf(world, "list", "1")).toMatchObject({
    status: "failed",
    error: { code: "dead-letter" },
  });
  expect(await done(world)).toBe("a -a");
  broken.clear();
  const { deadLetters } = world.runtime;
  const [{ id = "" } = {}] = (await deadLetters.list({}, { limit: 10 })).deadLetters;
  const goneOn = { code: "saga-gone-on", fields: { saga: "list", id: "1" } };
  await expect(deadLetters.redrive(id)).rejects.toMatchObject(goneOn);
  expect(await deadLetters.redriveAll({}, 10)).toEqual({ redriven: 0, passedOver: 1, hasMore: false });
  await world.settle();
  expect(await done(world)).toBe("a -a");
  expect(await deadLetters.redriveAll({}, 10, { isForced: true })).toEqual({ redriven: 1, hasMore: false });
  await world.settle();
  expect(await done(world)).toBe("a -a b");
  expect(world.logged.filter((line) => line.startsWith("error A step that had failed was done")))
    .toHaveLength(1);
  expect((await statusOf(world, "list", "1")).status).toBe("failed");
});

test("a compensation is retried until it succeeds", async () => {
  const world = await startWorld(list);
  await world.runtime.sagas.start("list", "1", { steps: ["a", "b", "refused"] });
  broken.add("b");
  await world.clock.advance("2s");
  broken.clear();
  await world.clock.advance("1m");
  expect(await statusOf(world, "list", "1")).toMatchObject({ status: "failed" });
  expect(await done(world)).toBe("a b -b -a");
});

// Would catch a saga that is left half undone in silence, or that cannot be brought to its end.
test("a compensation that becomes a dead letter leaves the saga stuck; its redrive goes on from there", async () => {
  const world = await startWorld(saga("slow", {
    input: z.object({}),
    run: async (step) => {
      await step.ask("a", doing("a"), undoable);
      await step.ask("b", doing("b"), undoable);
      await step.sleep("1m");
      throw new Error("no");
    },
  }));
  const { sagas } = world.runtime;
  await sagas.start("slow", "1", {});
  await world.settle();
  broken.add("b");
  await world.clock.advance("10m");
  const status = await statusOf(world, "slow", "1");
  expect(status).toMatchObject({
    status: "stuck",
    error: { code: "run-failed", message: "Error: no" },
    steps: [{ name: "a" }, { name: "b", compensation: { status: "stuck" } }, {}],
  });
  const compensation = status.steps[1]?.compensation;
  expect(status.attempts[compensation?.messageId ?? ""]).toBe(5);
  expect(world.logged.filter((line) => line.startsWith("error Saga is stuck"))).toHaveLength(1);
  expect((await sagas.list("slow", { limit: 10 })).sagas).toMatchObject([{ id: "1", status: "stuck" }]);

  await world.restart();
  broken.clear();
  const { deadLetters } = await world.runtime.deadLetters.list({}, { limit: 10 });
  expect(deadLetters.map(({ id }) => id)).toEqual([compensation?.messageId]);
  await world.runtime.deadLetters.redrive(compensation?.messageId ?? "");
  await world.settle();
  expect(await done(world)).toBe("a b -b -a");
  expect(await statusOf(world, "slow", "1")).toMatchObject({
    status: "failed",
    error: { message: "Error: no" },
  });
  expect((await journalOf(world, "slow/1")).slice(-6)).toEqual([
    "CompensationStarted",
    "Stuck",
    "CompensationDone",
    "CompensationStarted",
    "CompensationDone",
    "Failed",
  ]);
});

// Would catch money that is given back twice: once by the retry, and once by the dead letter it leaves behind.
test("a compensation that is tried again leaves no dead letter that would undo its step twice", async () => {
  const world = await startWorld(saga("list", {
    input: z.object({}),
    run: async (step) => {
      await step.ask("a", doing("a"), undoable);
      await step.sleep("1m");
      throw new Error("no");
    },
  }));
  const { runtime } = world;
  await runtime.sagas.start("list", "1", {});
  await world.settle();
  broken.add("a");
  await world.clock.advance("10m");
  const statusNow = async () => await statusOf(world, "list", "1");
  const stuck = (await statusNow()).steps[0]?.compensation?.messageId ?? "";
  expect((await statusNow()).status).toBe("stuck");

  await runtime.sagas.retry("list", "1");
  await world.clock.advance("10m");
  expect((await statusNow()).status).toBe("stuck");
  const { deadLetters } = await runtime.deadLetters.list({}, { limit: 10 });
  expect(deadLetters.map(({ id }) => id)).toEqual([(await statusNow()).steps[0]?.compensation?.messageId]);
  await expect(runtime.deadLetters.redrive(stuck)).rejects.toMatchObject({ code: "unknown-message" });

  const again = deadLetters[0]?.id ?? "";
  await runtime.deadLetters.redrive(again);
  await world.clock.advance(0);
  await expect(runtime.sagas.retry("list", "1")).rejects.toMatchObject({ code: "message-in-progress" });
  await world.clock.advance("10m");
  broken.clear();
  await runtime.sagas.retry("list", "1");
  await world.settle();
  await runtime.deadLetters.redriveAll({}, 10);
  await world.settle();
  expect((await statusNow()).status).toBe("failed");
  expect(await done(world)).toBe("a -a");
});

test("a rejected compensation is stuck until it is tried again", async () => {
  const world = await startWorld(list);
  const { sagas } = world.runtime;
  await sagas.start("list", "1", { steps: ["a", "firm", "refused"] });
  await world.settle();
  expect(await statusOf(world, "list", "1")).toMatchObject({
    status: "stuck",
    steps: [{}, { compensation: { status: "stuck", error: { code: "refused" } } }, {}],
  });
  expect(await sagas.retry("list", "1")).toMatchObject({ ok: true, reply: { status: "compensating" } });
  await world.settle();
  expect((await statusOf(world, "list", "1")).status).toBe("stuck");
  expect((await sagas.retry("list", "2")).ok).toBe(false);
});

test("cancelling undoes what was done", async () => {
  const waits = saga("waits", {
    input: z.object({}),
    run: async (step) => {
      await step.ask("a", doing("a"), undoable);
      await step.sleep("1h");
      await step.ask("b", doing("b"), undoable);
    },
  });
  const world = await startWorld(waits);
  const { sagas } = world.runtime;
  expect(await sagas.cancel("waits", "1")).toMatchObject({ ok: false, rejection: { code: "not-started" } });
  await sagas.start("waits", "1", {});
  await world.settle();
  expect(await sagas.cancel("waits", "1", "changed my mind")).toMatchObject({ ok: true });
  await world.settle();
  expect(await statusOf(world, "waits", "1")).toMatchObject({
    status: "cancelled",
    error: { code: "cancelled", message: "changed my mind" },
  });
  await world.clock.advance("2h");
  expect(await done(world)).toBe("a -a");
  expect(await sagas.cancel("waits", "1")).toMatchObject({ ok: false, rejection: { code: "ended" } });
  expect(await sagas.start("waits", "1", {})).toMatchObject({
    ok: false,
    rejection: { code: "already-started" },
  });
});

test("past its deadline, a saga undoes what it has done and has timed out; one that ends in time does not", async () => {
  const late = saga("late", {
    input: z.object({ sleeps: z.boolean() }),
    deadline: "30m",
    run: async (step, { sleeps }) => {
      await step.ask("a", doing("a"), undoable);
      if (sleeps) await step.sleep("1h");
    },
  });
  const world = await startWorld(late);
  await world.runtime.sagas.start("late", "1", { sleeps: true });
  await world.runtime.sagas.start("late", "2", { sleeps: false });
  await world.clock.advance("29m");
  expect((await statusOf(world, "late", "1")).status).toBe("running");
  await world.restart();
  await world.clock.advance("1m");
  expect(await statusOf(world, "late", "1")).toMatchObject({
    status: "timed-out",
    error: { code: "timed-out" },
  });
  expect((await statusOf(world, "late", "2")).status).toBe("completed");
  expect(await done(world)).toBe("a a -a");
});

// Would catch a step in flight whose effect is left when the saga fails without it.
test("what was in flight when the saga failed is undone, too, once it is done, also after a restart", async () => {
  const both = saga("both", {
    input: z.object({}),
    run: async (step) => {
      await step.all([
        step.ask("slow", doing("slow"), undoable),
        step.ask("refused", doing("refused"), undoable),
      ]);
    },
  });
  const world = await startWorld(both);
  broken.add("slow");
  await world.runtime.sagas.start("both", "1", {});
  await world.clock.advance("2s");
  // It stands first in the desk's mailbox, so both are waiting.
  expect((await statusOf(world, "both", "1")).steps.map(({ status }) => status)).toEqual([
    "pending",
    "pending",
  ]);
  await world.runtime.sagas.cancel("both", "1");
  await world.restart();
  expect((await statusOf(world, "both", "1")).status).toBe("compensating");
  broken.clear();
  await world.clock.advance("1m");
  expect(await done(world)).toBe("slow -slow");
  expect((await statusOf(world, "both", "1")).status).toBe("cancelled");
});

test("a saga that awaits something that is no step fails with a clear error, and does not hang", async () => {
  const fetches = saga("fetches", {
    input: z.object({}),
    run: async (step) => {
      await step.ask("a", doing("a"), undoable);
      await new Promise(() => {});
    },
  });
  const world = await startWorld(fetches);
  await world.runtime.sagas.start("fetches", "1", {});
  await world.settle();
  expect(await statusOf(world, "fetches", "1")).toMatchObject({
    status: "failed",
    error: { code: "not-a-step", message: "run awaits something that is no step" },
  });
  expect(await done(world)).toBe("a -a");
});

test("an undo that throws stops the saga until its code is mended", async () => {
  let isMended = false;
  const modules = [
    desk,
    saga("hasty", {
      input: z.object({}),
      run: async (step) => {
        await step.ask("a", doing("a"), {
          undo: ({ what }) => {
            if (!isMended) throw new TypeError("oops");
            return desk.ref("1").back({ what });
          },
        });
        throw new Error("no");
      },
    }),
  ];
  const world = await startWorld(...modules.slice(1));
  await world.runtime.sagas.start("hasty", "1", {});
  await world.settle();
  const status = await statusOf(world, "hasty", "1");
  expect(status.status).toBe("stopped");
  expect(status.stopped).toContain('undo of ask "a" fails, TypeError: oops');
  isMended = true;
  await world.restart();
  await world.settle();
  expect((await statusOf(world, "hasty", "1")).status).toBe("failed");
  expect(await done(world)).toBe("a -a");
});
