import { startChild } from "../support/child.ts";
import { inTemporaryFolder } from "./measure.ts";
import { count, mebibytes, type Show } from "./table.ts";

const ACTORS = 1_000_000;
const ACTORS_QUICK = 100_000;
const STEPS = 10;

/** Memory of a process in which a million actors are touched once each. */
export async function benchMemory(isQuick: boolean, show: Show): Promise<void> {
  const actors = isQuick ? ACTORS_QUICK : ACTORS;
  await inTemporaryFolder(async (folder) => {
    const child = startChild("scripts/bench/memory_child.ts", {
      args: [folder, String(actors), String(actors / STEPS)],
      flags: ["--v8-flags=--expose-gc"],
    });
    const rows: string[][] = [];
    let bound = NaN;
    while (true) {
      const line = await child.lineWith("rss");
      if (!line) break;
      bound = Number(line.activationsMax);
      const isEnd = rows.length === STEPS + 1;
      rows.push([
        rows.length === 0 ? "before" : isEnd ? "after garbage collection" : count(Number(line.done)),
        line.perSecond ? count(Number(line.perSecond)) : "",
        mebibytes(Number(line.rss)),
        mebibytes(Number(line.heapUsed)),
        mebibytes(Number(line.heapTotal)),
      ]);
    }
    const { success } = await child.ended;
    if (!success) throw new Error("Memory benchmark failed: its process ended with an error");
    show(
      `Memory: ${count(actors)} actors touched once, at most ${count(bound)} held in memory`,
      ["actors touched", "events/s", "RSS", "heap used", "heap"],
      rows,
      `The folder holds ${mebibytes(sizeOf(folder))} at the end.`,
    );
  });
}

function sizeOf(folder: string): number {
  return [...Deno.readDirSync(folder)].reduce(
    (sum, { name }) => sum + Deno.statSync(`${folder}/${name}`).size,
    0,
  );
}
