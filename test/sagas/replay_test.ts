import { type AnySaga, saga, type Step } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { desk, doing, done, startWorld, undoable } from "./desk.ts";
import { journalOf, statusOf } from "./support.ts";

type Run = (step: Step<Record<string, never>>) => Promise<unknown>;

/** The same saga with other code. */
function code(run: Run): AnySaga {
  return saga("code", { input: z.object({}), run });
}

/** Runs the first code for half an hour, and goes on with the second one. */
async function change(before: Run, after: Run) {
  const world = await startWorld(code(before));
  await world.runtime.sagas.start("code", "1", {});
  await world.clock.advance("30m");
  await world.restart([desk, code(after)]);
  await world.clock.advance("1h");
  return world;
}

const first: Run = async (step) => {
  await step.ask("a", doing("a"), undoable);
  await step.sleep("1h");
  await step.ask("b", doing("b"));
};

const misfits: { name: string; run: Run; says: string }[] = [
  {
    name: "a step of another name",
    run: async (step) => {
      await step.ask("other", doing("a"));
    },
    says: 'it has recorded ask "a" (step 0), and its code asks for ask "other"',
  },
  {
    name: "a step of another kind",
    run: async (step) => {
      await step.sleep("a", "1m");
    },
    says: 'it has recorded ask "a" (step 0), and its code asks for sleep "a"',
  },
  {
    name: "a step more",
    run: async (step) => {
      await step.ask("a", doing("a"));
      await step.ask("new", doing("new"));
      await step.sleep("1h");
    },
    says: 'it has recorded sleep "sleep" (step 1), and its code asks for ask "new"',
  },
  {
    name: "a step more beside the recorded one",
    run: async (step) => {
      await step.ask("a", doing("a"));
      await step.all([step.sleep("1h"), step.ask("new", doing("new"))]);
    },
    says: 'it has recorded no further step here, and its code asks for ask "new"',
  },
  {
    name: "a step less",
    run: async (step) => {
      await step.sleep("1h");
    },
    says: 'it has recorded ask "a" (step 0), and its code asks for sleep "sleep"',
  },
  {
    name: "an end too soon",
    run: async (step) => {
      await step.ask("a", doing("a"));
    },
    says: 'it has recorded sleep "sleep" (step 1), and its code has come to its end',
  },
  {
    name: "an error",
    run: async (step) => {
      await step.ask("a", doing("a"));
      throw new TypeError("oops");
    },
    says: 'it has recorded sleep "sleep" (step 1), and its code throws TypeError: oops',
  },
  {
    name: "a value more",
    run: async (step) => {
      if (step.random() > 2) return;
      await step.ask("a", doing("a"));
    },
    says: 'it has recorded ask "a" (step 0), and its code asks for random "random"',
  },
];

// Would catch code that goes on from a journal that is not its own: it would do things twice, or never.
test.each(misfits)("code with $name stops the instance and says why; with the old code it goes on", async ({
  run,
  says,
}) => {
  const world = await change(first, run);
  expect(await statusOf(world, "code", "1")).toMatchObject({
    status: "stopped",
    stopped: `code/1 cannot go on: ${says}`,
    steps: [{ name: "a" }, { name: "sleep", status: "pending" }],
  });
  expect(world.logged.filter((line) => line.startsWith("error Saga is stopped"))).toHaveLength(1);
  expect((await world.runtime.deadLetters.list({}, { limit: 10 })).deadLetters).toEqual([]);
  const journal = await journalOf(world, "code/1");

  await world.restart([desk, code(run)]);
  await world.settle();
  expect((await statusOf(world, "code", "1")).status).toBe("stopped");
  expect(await journalOf(world, "code/1")).toEqual(journal);

  await world.restart([desk, code(first)]);
  await world.settle();
  expect((await statusOf(world, "code", "1")).status).toBe("completed");
  expect(await done(world)).toBe("a b");
});

test("what comes after the recorded steps may change", async () => {
  const world = await change(first, async (step) => {
    await step.ask("a", doing("a"));
    await step.sleep("1h");
    await step.ask("c", doing("c"));
  });
  expect(await done(world)).toBe("a c");
});

test("version says which code an instance has seen, from then on and after every restart", async () => {
  const versioned = (asked: number[]): Run => async (step) => {
    const before = step.version("before", 2);
    await step.ask("a", doing("a"));
    await step.sleep("1h");
    const after = step.version("after", 3);
    await step.sleep("1h");
    asked.push(before, after, step.version("after", 3));
  };
  const asked: number[] = [];
  const world = await change(first, versioned(asked));
  await world.restart([desk, code(versioned(asked))]);
  await world.clock.advance("1h");
  expect((await statusOf(world, "code", "1")).status).toBe("completed");
  expect(asked).toEqual([0, 3, 3]);
  // A new one has it all.
  await world.runtime.sagas.start("code", "2", {});
  await world.clock.advance("30m");
  await world.restart([desk, code(versioned(asked))]);
  await world.clock.advance("2h");
  expect(asked.slice(3)).toEqual([2, 3, 3]);
});

test("a call of version may be taken away once nothing needs it", async () => {
  const world = await change(async (step) => {
    step.version("x", 1);
    await first(step);
  }, first);
  expect((await statusOf(world, "code", "1")).status).toBe("completed");
});

test("an input that no longer fits stops the instance", async () => {
  const world = await startWorld(code(first));
  await world.runtime.sagas.start("code", "1", {});
  await world.settle();
  await world.restart([desk, saga("code", { input: z.object({ more: z.string() }), run: first as never })]);
  await world.clock.advance("1h");
  const { status, stopped } = await statusOf(world, "code", "1");
  expect(status).toBe("stopped");
  expect(stopped).toContain("its recorded input does not fit the saga any more");
});

// Would catch mended code that keeps an instance from undoing what it did before it failed.
test("where a saga has failed, code that would not fail there lets what is in flight be undone all the same", async () => {
  const failing = (isMended: boolean): Run => async (step) => {
    const slow = step.sleep("2h").then(() => {});
    await step.ask("a", doing("a"), undoable);
    const late = step.child(sleeper, {}, { undo: () => desk.ref("1").back({ what: "late" }) });
    await step.sleep("1m");
    if (!isMended) throw new Error("bug");
    await step.all([late, slow, step.ask("b", doing("b"))]);
  };
  const sleeper = saga("sleeper", { input: z.object({}), run: async (step) => void await step.sleep("9h") });
  const world = await startWorld(code(failing(false)), sleeper);
  await world.runtime.sagas.start("code", "1", {});
  await world.clock.advance("59s");
  // It fails with the child in flight, and stops there before it has told its parent.
  await world.restart([desk, code(failing(false))]);
  await world.clock.advance("10m");
  expect((await statusOf(world, "code", "1")).status).toBe("compensating");
  await world.restart([desk, code(failing(true)), sleeper]);
  const { deadLetters } = await world.runtime.deadLetters.list({}, { limit: 10 });
  for (const { id } of deadLetters) await world.runtime.deadLetters.redrive(id);
  await world.clock.advance("10m");
  expect((await statusOf(world, "code", "1")).status).toBe("failed");
  expect(await done(world)).toBe("a -a");
});
