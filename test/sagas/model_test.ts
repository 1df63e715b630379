import fc from "fast-check";
import { saga, type Step } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { World } from "../support/world.ts";
import { desk, doing, done, undoable } from "./desk.ts";
import { statusOf } from "./support.ts";

/** What a random saga does. */
type Op =
  | { readonly do: string; readonly isUndoable: boolean }
  | { readonly sleep: number }
  /** Takes a signal, or waits for a minute in vain. */
  | { readonly wait: "go" }
  | { readonly all: readonly { readonly do: string; readonly isUndoable: boolean }[] }
  | { readonly try: readonly Op[] }
  | { readonly throws: true };

type Ops = readonly Op[];

async function interpret(step: Step<unknown>, ops: Ops): Promise<void> {
  for (const op of ops) {
    if ("do" in op) await step.ask("do", doing(op.do), op.isUndoable ? undoable : {});
    else if ("sleep" in op) await step.sleep(`${op.sleep}s`);
    else if ("wait" in op) {
      const signal = await step.waitFor("go", z.string(), { within: "1m" });
      await step.ask("do", doing(signal ?? "none"), undoable);
    } else if ("all" in op) {
      await step.all(op.all.map((each) => step.ask("do", doing(each.do), each.isUndoable ? undoable : {})));
    } else if ("try" in op) await interpret(step, op.try).catch(() => {});
    else throw new Error("thrown");
  }
}

const program = saga("program", {
  input: z.object({ ops: z.array(z.unknown()) }),
  // What the test has made.
  run: (step, { ops }) => interpret(step, ops as Ops),
});

/** What is done at the desk, and whether the saga completes: no crash and no time makes a difference. */
function expected(ops: Ops, signals: readonly string[]): { done: string; status: string } {
  const did: string[] = [];
  const undo: string[] = [];
  const left = [...signals];
  const doIt = (op: { do: string; isUndoable: boolean }): boolean => {
    if (op.do.startsWith("refused")) return false;
    did.push(op.do);
    if (op.isUndoable) undo.unshift(`-${op.do}`);
    return true;
  };
  const run = (list: Ops): boolean => {
    for (const op of list) {
      if ("do" in op && !doIt(op)) return false;
      if ("wait" in op) doIt({ do: left.shift() ?? "none", isUndoable: true });
      if ("all" in op && !op.all.map(doIt).every(Boolean)) return false;
      if ("try" in op) run(op.try);
      if ("throws" in op) return false;
    }
    return true;
  };
  const completes = run(ops);
  return {
    done: [...did, ...(completes ? [] : undo)].join(" "),
    status: completes ? "completed" : "failed",
  };
}

const doOp = fc.record({
  do: fc.oneof({ weight: 4, arbitrary: fc.constantFrom("a", "b", "c") }, fc.constant("refused")),
  isUndoable: fc.boolean(),
});
const { ops } = fc.letrec<{ op: Op; ops: Ops }>((tie) => ({
  op: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { weight: 5, arbitrary: doOp },
    { weight: 2, arbitrary: fc.record({ sleep: fc.integer({ min: 0, max: 90 }) }) },
    { weight: 2, arbitrary: fc.record({ wait: fc.constant("go" as const) }) },
    { weight: 2, arbitrary: fc.record({ all: fc.array(doOp, { minLength: 1, maxLength: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ try: tie("ops") }) },
    { weight: 1, arbitrary: fc.constant({ throws: true as const }) },
  ),
  ops: fc.array(tie("op"), { maxLength: 6 }),
}));

const trouble = fc.record({
  /** Commits until it comes, and seconds after which the process is gone in any case, if it is to go. */
  after: fc.nat(6),
  what: fc.constantFrom("kill before", "kill after", "lost", "answer lost", "restart"),
  seconds: fc.nat(100),
});

// Would catch a replay that goes another way than the first run, a step done twice, and one forgotten.
test("whatever a saga does and whatever happens to it, it does what its code says, once", async () => {
  await fc.assert(
    fc.asyncProperty(
      ops,
      fc.array(fc.constantFrom("s1", "s2"), { maxLength: 3 }),
      fc.array(trouble, { maxLength: 5 }),
      async (program_, signals, troubles) => {
        const world = await World.start({ modules: [desk, program] });
        const { sagas } = world.runtime;
        // All that it will be told is in its mailbox before it begins, and before anything goes wrong.
        const release = world.engines[0]?.hang();
        const sent = [sagas.send("program", "1", { ops: [{ sleep: 5 }, ...program_] })];
        for (const signal of signals) {
          sent.push(world.runtime.send(program.ref("1").signal("go", signal)));
        }
        release?.();
        await Promise.all(sent);
        for (const { after, what, seconds } of troubles) {
          const [engine] = world.engines;
          const plan = Array.from({ length: after }, () => "ok" as const);
          if (what === "kill before") engine?.killAt((engine?.attempts ?? 0) + after, "before");
          if (what === "kill after") engine?.killAt((engine?.attempts ?? 0) + after, "after");
          if (what === "lost") engine?.plan(...plan, "before");
          if (what === "answer lost") engine?.plan(...plan, "after");
          await world.clock.advance(seconds * 1_000);
          if (engine?.isDead) await world.crash();
          else if (what === "restart") {
            // A stop in good order waits for its last commit.
            engine?.killAt(Infinity, "before");
            await world.restart();
          }
        }
        await world.crash();
        await world.clock.advance("1h");
        const { status } = await statusOf(world, "program", "1");
        expect({ done: await done(world), status }).toEqual(expected(program_, signals));
      },
    ),
    { numRuns: Number(Deno.env.get("RUNS") ?? 60), timeout: 15_000, endOnFailure: true },
  );
}, 120_000);
