import { z } from "zod";
import { activity } from "../../src/core/activity.ts";
import { actor } from "../../src/core/actor.ts";
import { systemClock } from "../../src/core/clock.ts";
import { command } from "../../src/core/command.ts";
import { createIds } from "../../src/core/ids.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import type { MessageRow } from "../../src/store/messages.ts";
import { withBareStore } from "./bare_store.ts";
import { inTemporaryFolder, medianBy } from "./measure.ts";
import { against, count, percent, type Show } from "./table.ts";

const PER_TURN = 500;
const CONCURRENCIES = [10, 50, 500];
const FLOOR = 0.5;

const ids = createIds(systemClock);

/** Activities/s whose work takes no time, against a bare loop that keeps the same books. */
export async function benchActivities(isQuick: boolean, show: Show): Promise<void> {
  const jobs = isQuick ? 5_000 : 20_000;
  const rounds = isQuick ? 1 : 3;
  const rows: string[][] = [];
  for (const concurrency of CONCURRENCIES) {
    const bare: number[] = [];
    const performed: number[] = [];
    // In turns, so that whatever else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      bare.push(await inTemporaryFolder((folder) => measureBareLoop(folder, jobs, concurrency)));
      performed.push(await inTemporaryFolder((folder) => measureActivities(folder, jobs, concurrency)));
    }
    const ratio = median(performed) / median(bare);
    rows.push([
      String(concurrency),
      count(median(bare)),
      count(median(performed)),
      percent(ratio),
      against(ratio >= FLOOR, `at least ${percent(FLOOR)}`),
    ]);
  }
  show(
    `Activities: ${count(jobs)} that take no time, asked for by ${PER_TURN} a turn, 1 shard`,
    ["concurrency", "bare loop", "performed", "ratio", "floor"],
    rows,
    "The bare loop writes the same rows (asked for, begun, done) in commits of as many as run at a time,\n" +
      "and awaits the same promises between them. Rates are activities/s.",
  );
}

function median(rates: readonly number[]): number {
  return medianBy(rates, (rate) => rate);
}

async function measureActivities(folder: string, jobs: number, concurrency: number): Promise<number> {
  const { promise: allDone, resolve } = Promise.withResolvers<void>();
  let left = jobs;
  const work = activity("work", {
    input: z.object({ n: z.int() }),
    output: z.object({ n: z.int() }),
    concurrency,
    run: (input) => {
      if (--left === 0) resolve();
      return Promise.resolve(input);
    },
  });
  const boss = actor("boss", {
    initialState: () => ({}),
    events: {},
    evolve: {},
    commands: {
      ask: command(z.object({ from: z.int() }), (turn, { from }) => {
        for (let n = from; n < from + PER_TURN; n++) turn.perform(work, { n });
      }),
    },
  });
  await using runtime = await createRuntime({ modules: [work, boss], data: folder });
  const startedAt = performance.now();
  for (let from = 0; from < jobs; from += PER_TURN) {
    await runtime.ask(boss.ref("b").ask({ from }));
  }
  await allDone;
  await runtime.activities.idle();
  await runtime.drain(); // what came of the last ones is on disk
  return jobs / (performance.now() - startedAt) * 1_000;
}

/** The ceiling: the same rows and promises, with nothing else around them. */
function measureBareLoop(folder: string, jobs: number, concurrency: number): Promise<number> {
  return withBareStore(folder, async (store) => {
    const append = (messages: MessageRow[]) => store.append(store.next({ messages }));
    const startedAt = performance.now();
    const rows = Array.from({ length: jobs }, (_, n) => rowOf(n, ids.next()));
    for (let from = 0; from < jobs; from += PER_TURN) await append(rows.slice(from, from + PER_TURN));
    for (let from = 0; from < jobs; from += concurrency) {
      const batch = rows.slice(from, from + concurrency);
      for (const row of batch) [row[10], row[11], row[14]] = ["retrying", 1, Date.now() + 30_000];
      await append(batch);
      const outputs = await Promise.all(batch.map(([, , , , input]) => Promise.resolve(JSON.parse(input))));
      for (const [index, row] of batch.entries()) {
        const outcome = { status: "done", reply: outputs[index], version: 0, position: 0 };
        [row[10], row[14], row[15], row[16]] = ["done", null, Date.now(), JSON.stringify(outcome)];
      }
      await append(batch);
    }
    return jobs / (performance.now() - startedAt) * 1_000;
  });
}

/** What a message of an activity leaves. */
function rowOf(n: number, id: string): MessageRow {
  const [input, cause] = [JSON.stringify({ n }), ids.next()];
  const asked = [n + 1, id, "activity:work/-", "run", input, null, cause, cause, null, null] as const;
  return [...asked, "queued", 0, Date.now(), Date.now(), null, null, null, "[]", null, null];
}
