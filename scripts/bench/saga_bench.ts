import { z } from "zod";
import { systemClock } from "../../src/core/clock.ts";
import { createIds } from "../../src/core/ids.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { saga } from "../../src/mod.ts";
import { counter } from "../../actors/counter.ts";
import type { EventRow } from "../../src/store/events.ts";
import type { MessageRow } from "../../src/store/messages.ts";
import { withBareStore } from "./bare_store.ts";
import { inTemporaryFolder } from "./measure.ts";
import { count, percent, type Show } from "./table.ts";

const STEPS = 20;
const ids = createIds(systemClock);

/** A counter asked again and again, each time with the answer of the time before. */
const tour = saga("tour", {
  input: z.object({ from: z.string() }),
  run: async (step, { from }) => {
    let value = 0;
    for (let n = 0; n < STEPS; n++) {
      value = (await step.ask("visit", counter.ref(from).increment({ by: 1 + value % 2 }))).value;
    }
    return { value };
  },
});

/** How many steps of sagas a second, against their bare rows. */
export async function benchSagas(isQuick: boolean, show: Show): Promise<void> {
  const rows: string[][] = [];
  for (const concurrency of [16, 64, 256]) {
    const sagas = concurrency * (isQuick ? 2 : 10);
    const folio = await inTemporaryFolder((folder) => measureSagas(folder, sagas, concurrency));
    const bare = await inTemporaryFolder((folder) => measureBare(folder, sagas * STEPS, concurrency));
    rows.push([String(concurrency), count(bare), count(folio), percent(folio / bare)]);
  }
  show(`Sagas: steps/s, ${STEPS} steps each`, ["at a time", "bare rows", "sagas", "ratio"], rows);
}

async function measureSagas(folder: string, sagas: number, concurrency: number): Promise<number> {
  await using runtime = await createRuntime({ modules: [counter, tour], data: folder });
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (let n = next++; n < sagas; n = next++) {
      await runtime.sagas.start("tour", `t${n}`, { from: `c${n}` });
      const end = await runtime.sagas.ended("tour", `t${n}`, 60_000);
      if (end?.status !== "completed") throw new Error(`Saga t${n} is ${end?.status}`);
    }
  }));
  return sagas * STEPS / ((performance.now() - startedAt) / 1_000);
}

/** What a step leaves, `concurrency` of them in a commit: the question, its event, the answer, two of the journal. */
function measureBare(folder: string, steps: number, concurrency: number): Promise<number> {
  return withBareStore(folder, async (store) => {
    const append = (events: EventRow[], messages: MessageRow[]) =>
      store.append(store.next({ events, messages }));
    const { event, message } = rowMaker();
    const startedAt = performance.now();
    // A step takes two commits, one after the other: the question is answered, and the answer is taken.
    for (let n = 0; n < steps; n += concurrency) {
      const batch = Array.from({ length: Math.min(concurrency, steps - n) }, (_, of) => n + of);
      await append(
        batch.map((of) => event(`counter/c${of % concurrency}`, of + 1, "Incremented", { by: 1 })),
        batch.map((of) => message(`counter/c${of % concurrency}`, "increment", { by: 1 })),
      );
      await append(
        batch.flatMap((of) => {
          const next = { step: of + 1, kind: "ask", name: "visit" };
          return [
            event(`tour/t${of % concurrency}`, 2 * of + 1, "StepDone", { step: of, output: { value: of } }),
            event(`tour/t${of % concurrency}`, 2 * of + 2, "StepStarted", next),
          ];
        }),
        batch.map((of) =>
          message(`tour/t${of % concurrency}`, "$told", { id: "x", context: of, output: { value: of } })
        ),
      );
    }
    return steps / ((performance.now() - startedAt) / 1_000);
  });
}

/** Makes rows, each with its place behind the one before. */
function rowMaker() {
  let [position, seq] = [0, 0];
  return {
    event(actor: string, version: number, type: string, payload: object): EventRow {
      const [id, correlation, cause] = [ids.next(), ids.next(), ids.next()];
      const text = JSON.stringify(payload);
      return [++position, actor, version, type, 1, text, Date.now(), id, correlation, cause];
    },
    message(actor: string, command: string, input: object): MessageRow {
      const [id, cause, now] = [ids.next(), ids.next(), Date.now()];
      const text = JSON.stringify(input);
      const asked = [++seq, id, actor, command, text, null, cause, cause, null, null] as const;
      const outcome = JSON.stringify({ status: "done", reply: { value: seq }, version: 1, position: 1 });
      return [...asked, "done", 0, now, now, null, now, outcome, "[]", null, null];
    },
  };
}
