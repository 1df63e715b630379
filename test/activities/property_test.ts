/**
 * Whatever fails and whenever: each activity ends, done or dead, and who asked is told exactly once.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FinalError } from "../../src/core/activity.ts";
import { type Options, Outside, type Run, WorkWorld } from "./support.ts";

type Answer = "succeed" | "fail" | "final" | "silent" | "late";

const answers = fc.array(
  fc.constantFrom<Answer>("succeed", "succeed", "succeed", "fail", "fail", "final", "silent", "late"),
  { minLength: 1, maxLength: 40 },
);

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("ask" as const),
      jobs: fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
    fc.record({
      kind: fc.constant("fault" as const),
      fault: fc.constantFrom("before" as const, "after" as const),
    }),
    fc.constant({ kind: "crash" as const }),
    fc.constant({ kind: "crash-at-once" as const }),
    fc.constant({ kind: "restart" as const }),
  ),
  { minLength: 3, maxLength: 25 },
);

const options = fc.record({
  delivery: fc.constantFrom<Options["delivery"]>("at-least-once", "at-most-once"),
  isOrdered: fc.boolean(),
  concurrency: fc.constantFrom<Options["concurrency"]>(1, 2, { limit: 3, perKey: 2 }),
  rateLimit: fc.constantFrom<Options["rateLimit"]>(
    undefined,
    { limit: 2, per: "1s" },
    { perKey: { limit: 1, per: "2s" } },
  ),
  circuitBreaker: fc.constantFrom<Options["circuitBreaker"]>(undefined, {
    failuresMax: 2,
    halfOpenAfter: "5s",
  }),
});

test("each activity ends done or dead, and is told of exactly once", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 3),
      options,
      answers,
      steps,
      async (shards, options, answers, steps) => {
        const outside = new Outside();
        const perform = (run: Run) => {
          const answer = answers[(outside.runs.length - 1) % answers.length];
          if (answer === "succeed") run.succeed();
          else if (answer === "fail") run.fail();
          else if (answer === "final") run.fail(new FinalError("final, as planned"));
          else if (answer === "late") outside.world?.clock.after(3_000, () => run.succeed());
        };
        outside.behave = perform;
        const work = await WorkWorld.start(
          { ...options, timeout: "2s", retry: { attemptsMax: 3, delayMs: 500 } },
          { shards, outside },
        );
        const asked: string[] = [];
        let jobs = 0;
        for (const step of steps) {
          if (step.kind === "ask") {
            const key = `b${jobs % 5}`;
            // One that is lost was never asked for.
            const ids = await Promise.race([
              work.ask(step.jobs.map((key) => ({ label: `${key}-${++jobs}`, key })), key).catch(() => []),
              work.clock.advance("1s").then(() => []),
            ]);
            asked.push(...ids);
          } else if (step.kind === "wait") await work.clock.advance(step.ms);
          else if (step.kind === "fault") {
            for (const engine of work.world.engines) {
              engine.plan(step.fault);
            }
          } else if (step.kind === "restart") await work.world.restart();
          else {
            if (step.kind === "crash") await work.clock.settle();
            await work.world.crash();
          }
        }
        outside.behave = (run) => run.succeed();
        await work.clock.advance("1h");
        expect(work.status()).toMatchObject({ queued: 0, running: 0 });

        const told = new Map<string, string[]>();
        for (const text of await work.told()) {
          const [label = "", what = ""] = text.split(" ");
          told.set(label, [...told.get(label) ?? [], what]);
        }
        for (const [label, whats] of told) expect(whats, label).toHaveLength(1);
        for (const id of asked) {
          const { status, input, attempts, failures } = await work.message(id);
          const { label } = input as { label: string };
          expect(["done", "dead"]).toContain(status);
          expect(told.get(label)).toEqual([status === "done" ? "done" : "dead-letter"]);
          const runs = outside.runs.filter(({ context }) => context.idempotencyKey === id);
          if (options.delivery === "at-most-once") expect(runs.length, label).toBeLessThanOrEqual(1);
          else expect(runs.length, label).toBeGreaterThanOrEqual(1);
          // Those that a restart has interrupted are none of them.
          const counted = attempts - failures.filter(({ isCounted }) => isCounted === false).length;
          expect(counted).toBeLessThanOrEqual(6);
        }
        work.world.activities.stop();
      },
    ),
    { numRuns: 40 },
  );
});
