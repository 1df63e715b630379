import type { ExamResult } from "./exam.ts";

/** Seeds, and how big each is. */
export interface Seeds {
  readonly from: number;
  readonly seeds: number;
  readonly workers: number;
  readonly calls?: number | undefined;
  readonly clients?: number | undefined;
}

/** Seeds that a worker is given at a time. */
const SEEDS_PER_PART = 10;

/** What a worker is asked, and what it says of each seed. */
export type Part = Omit<Seeds, "workers">;
export type Said = { readonly result: Omit<ExamResult, "trace"> } | { readonly isDone: true };

/** Runs seeds on threads of their own, and tells of each as it comes. */
export async function runSeeds(
  { from, seeds, workers, ...size }: Seeds,
  told: (result: Omit<ExamResult, "trace">) => void,
): Promise<void> {
  let next = from;
  const run = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      const giveNext = () => {
        const count = Math.min(SEEDS_PER_PART, from + seeds - next);
        if (count <= 0) {
          worker.terminate();
          return resolve();
        }
        const part: Part = { from: next, seeds: count, ...size };
        next += count;
        worker.postMessage(part);
      };
      worker.onmessage = ({ data }: MessageEvent<Said>) => "result" in data ? told(data.result) : giveNext();
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`A seed from ${from} on cannot be run: ${event.message}`));
      };
      giveNext();
    });
  await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(seeds / SEEDS_PER_PART)) }, run));
}
