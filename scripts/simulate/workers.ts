import { startChild, withChildren } from "../support/child.ts";
import type { ExamResult } from "./exam.ts";

/** Seeds, and how big each is. */
export interface Seeds {
  readonly from: number;
  readonly seeds: number;
  readonly workers: number;
  readonly calls?: number | undefined;
  readonly clients?: number | undefined;
}

/** What a worker is asked: so many seeds, each so far from the one before. */
export type Share = Omit<Seeds, "workers"> & { readonly every: number };
type Told = Omit<ExamResult, "trace">;

/**
 * Runs seeds on processes of their own, and tells of each as it comes. Not on threads: a thousand seeds took a tenth
 * longer there.
 *
 * @throws {Error} When a process ends before its seeds do.
 */
export async function runSeeds(
  { from, seeds, workers, ...size }: Seeds,
  told: (result: Told) => void,
): Promise<void> {
  const every = Math.min(workers, seeds);
  const run = async (worker: number) => {
    const share: Share = { from: from + worker, seeds: Math.ceil((seeds - worker) / every), every, ...size };
    let next = share.from;
    const child = startChild("scripts/simulate/worker.ts", {
      args: [JSON.stringify(share)],
      onLine: (line) => {
        told(line.result as Told); // what worker.ts prints
        next += every;
      },
    });
    const { code } = await child.ended;
    if (next < from + seeds) throw new Error(`Seed ${next} cannot be run: its process has ended (${code})`);
  };
  await withChildren(() => Promise.all(Array.from({ length: every }, (_, worker) => run(worker))));
}
