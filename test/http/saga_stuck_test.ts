/** A saga whose compensation fails for good says so, and goes on when it is told to. */
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createApp } from "../../src/http/app.ts";
import { actor, command, createRuntime, saga } from "../../src/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { expectProblem, readAnswer } from "./support.ts";

let isBroken = true;
const shelf = actor("shelf", {
  initialState: () => ({ taken: 0 }),
  events: { Taken: z.object({}), PutBack: z.object({}) },
  evolve: { Taken: ({ taken }) => ({ taken: taken + 1 }), PutBack: ({ taken }) => ({ taken: taken - 1 }) },
  commands: {
    "take": command(z.object({}), (turn) => turn.emit("Taken", {})),
    "put-back": command(z.object({}), (turn) => {
      if (isBroken) turn.reject("shelf-broken");
      turn.emit("PutBack", {});
    }),
    "sell": command(z.object({}), (turn) => turn.reject("nobody-buys")),
  },
});
const sale = saga("sale", {
  input: z.object({ shelf: z.string() }),
  run: async (step, input) => {
    const place = shelf.ref(input.shelf);
    await step.ask("take", place.take(), { undo: () => place["put-back"]() });
    await step.ask("sell", place.sell());
  },
});

test("stuck, seen, mended, retried", async () => {
  const clock = new VirtualClock();
  const logged: string[] = [];
  const runtime = await createRuntime({
    modules: [shelf, sale],
    data: ":memory:",
    clock,
    log: (level, message) => void logged.push(`${level} ${message}`),
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  const ask = async (method: string, path: string, body?: object) =>
    await readAnswer(
      await app.request(`http://localhost${path}`, {
        method,
        ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
      }),
    );
  await ask("POST", "/sagas/sale/s1", { shelf: "a" });
  await clock.advance("1h");
  const { body: stuck } = await ask("GET", "/sagas/sale/s1");
  expect(stuck).toMatchObject({
    status: "stuck",
    error: { code: "nobody-buys" },
    steps: [
      { name: "take", compensation: { status: "stuck", to: "shelf/a", error: { code: "shelf-broken" } } },
      { name: "sell", status: "failed" },
    ],
  });
  expect(stuck.result).toBeUndefined();
  expect((await ask("GET", "/sagas?status=stuck")).body.sagas).toMatchObject([{ saga: "sale", id: "s1" }]);
  expect(logged.filter((line) => line.startsWith("error")).join()).toContain("stuck");

  expect((await ask("POST", "/sagas/sale/s1/retry", {})).status).toBe(202);
  await clock.advance("1h");
  expect((await ask("GET", "/sagas/sale/s1")).body.status).toBe("stuck"); // it is still broken

  isBroken = false;
  expect((await ask("POST", "/sagas/sale/s1/retry", {})).status).toBe(202);
  await clock.advance("1s");
  const { body: ended } = await ask("GET", "/sagas/sale/s1");
  expect(ended).toMatchObject({ status: "failed", steps: [{ compensation: { status: "done" } }, {}] });
  expect((await ask("GET", "/actors/shelf/a")).body.state).toEqual({ taken: 0 });
  expectProblem(await ask("POST", "/sagas/sale/s1/retry", {}), 409, "not-stuck");
});
