import { saga } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { watch, World } from "../support/world.ts";
import { broken, desk, doing, done, startWorld, undoable } from "./desk.ts";
import { statusOf } from "./support.ts";

const two = saga("two", {
  input: z.object({}),
  run: async (step) => {
    await step.sleep("1m");
    await step.all([step.ask("a", doing("a"), undoable), step.ask("b", doing("b"), undoable)]);
    await step.sleep("1m");
  },
});

// Would catch a journal that keeps what a turn did that was not recorded.
test("a turn for whose messages there is no room is tried again, from the journal as it was before", async () => {
  const world = await World.start({ modules: [{ ...desk, mailboxDepthMax: 1 }, two] });
  broken.clear();
  broken.add("x");
  await world.runtime.send(desk.ref("1").do({ what: "x" }));
  await world.runtime.sagas.start("two", "1", {});
  await world.clock.advance("3m");
  // One place is never enough for two.
  const { steps, status, version } = await statusOf(world, "two", "1");
  expect({ steps: steps.map(({ name, status }) => [name, status]), status, version }).toEqual({
    steps: [["sleep", "pending"]],
    status: "running",
    version: 2,
  });
  await world.restart([desk, two]);
  await world.clock.advance("10m");
  expect((await statusOf(world, "two", "1")).status).toBe("completed");
  expect(await done(world)).toBe("a b");
});

test("a saga that has been passivated goes on from its journal", async () => {
  const world = await World.start({
    modules: [desk, two],
    limits: { activationsMax: 1, passivateAfterMs: 1_000 },
  });
  for (const id of ["1", "2", "3"]) await world.runtime.sagas.start("two", id, {});
  await world.clock.advance("10m");
  for (const id of ["1", "2", "3"]) expect((await statusOf(world, "two", id)).status).toBe("completed");
  expect(await done(world)).toBe("a b a b a b");
});

// Would catch a state that is shown before it is on disk, or half of a turn.
test("the status is what is on disk, also while a turn goes on", async () => {
  const world = await startWorld(two);
  const { sagas } = world.runtime;
  const started = sagas.start("two", "1", {});
  const [engine] = world.engines;
  const release = engine?.hang();
  await world.settle();
  const status = sagas.status("two", "1");
  const watched = watch(status);
  await world.settle();
  expect(watched.state).toBe("waiting");
  release?.();
  await started;
  expect(await status).toMatchObject({ status: "running", version: 2 });
});

// Would catch a server that one saga ends, and ends again after each restart.
test("a part of a saga that fails before it is awaited does not end the process", async () => {
  const program = `
    import { createRuntime, saga } from "folio";
    import { z } from "zod";
    const ask = (step) => step.ask("x", { type: "nope", key: "1", command: "y", input: {} });
    const loose = saga("loose", { input: z.object({}), run: async (step) => {
      const part = (async () => await ask(step))();
      await step.sleep("1ms");
      return await part.catch((error) => error.code);
    } });
    await using runtime = await createRuntime({ modules: [loose], data: ":memory:" });
    await runtime.sagas.start("loose", "1", {});
    console.log((await runtime.sagas.ended("loose", "1", 10_000)).output);
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
    cwd: new URL("../..", import.meta.url),
  }).output();
  expect({ code, output: new TextDecoder().decode(stdout) }).toEqual({
    code: 0,
    output: "unknown-actor-type\n",
  });
});

test("a step that fails before it is awaited fails where it is awaited", async () => {
  const world = await startWorld(saga("loose", {
    input: z.object({}),
    run: async (step) => {
      const loose = step.ask("refused", doing("refused"));
      await step.sleep("1m");
      return await loose.then(() => "done", () => "refused");
    },
  }));
  await world.runtime.sagas.start("loose", "1", {});
  await world.clock.advance("2m");
  expect(await statusOf(world, "loose", "1")).toMatchObject({ status: "completed", output: "refused" });
});

test("an output that is not JSON, or does not fit its schema, fails the saga", async () => {
  const world = await startWorld(
    saga("big", { input: z.object({}), run: () => Promise.resolve(10n) }),
    saga("misfit", {
      input: z.object({}),
      output: z.object({ n: z.int() }),
      run: () => Promise.resolve({ n: 0.5 }),
    }),
  );
  for (const name of ["big", "misfit"]) {
    await world.runtime.sagas.start(name, "1", {});
    expect(await statusOf(world, name, "1")).toMatchObject({
      status: "failed",
      error: { code: "invalid-output" },
    });
  }
});

test("an input that does not fit starts nothing", async () => {
  const world = await startWorld(saga("typed", { input: z.object({ n: z.int() }), run: async () => {} }));
  await expect(world.runtime.sagas.start("typed", "1", { n: "x" })).rejects.toMatchObject({
    code: "invalid-input",
  });
  expect(await world.runtime.sagas.status("typed", "1")).toBeUndefined();
});

test("signals that nothing waits for are kept up to a limit", async () => {
  const world = await World.start({ modules: [desk, two], limits: { sagaSignalsMax: 2 } });
  const { sagas } = world.runtime;
  await sagas.start("two", "1", {});
  const codes = [];
  for (let i = 0; i < 3; i++) {
    const answer = await sagas.signal("two", "1", "any", i);
    codes.push(answer.ok ? "ok" : answer.rejection.code);
  }
  expect(codes).toEqual(["ok", "ok", "too-many-signals"]);
});
