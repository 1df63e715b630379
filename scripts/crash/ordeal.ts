/**
 * Loaded before the server (`deno run --preload`), which is what it always is: ends its process at a point of the
 * way of a commit, and sets its clock.
 */
import { endNow, Ordeal, ordealVariable } from "./kill_points.ts";

const SET_AFTER_MS = 500;

const { kill, clockOffMs: [startOffMs, laterOffMs] } = Ordeal.parse(
  JSON.parse(Deno.env.get(ordealVariable) ?? ""),
);

let offMs = startOffMs;
const wallClock = Date.now.bind(Date);
Date.now = () => wallClock() + offMs;
Deno.unrefTimer(setTimeout(() => offMs = laterOffMs, SET_AFTER_MS));

if (kill) {
  const { point, database, at } = kill;
  const file = database === "shard" ? /shard-\d+\.db$/ : /read\.db$/;
  let writes = 0;
  /** Of the thread that has the write, the number of the request; answers name it. */
  let fatal: { readonly worker: Worker; readonly call: number } | undefined;

  globalThis.Worker = class extends Worker {
    readonly #isConcerned: boolean;

    constructor(script: string | URL, options?: WorkerOptions) {
      const isDatabase = /\/database_worker\.ts$/.test(String(script));
      super(isDatabase ? new URL("./ordeal_worker.ts", import.meta.url) : script, options);
      this.#isConcerned = isDatabase && file.test(options?.name ?? "");
      // Before the one that takes the answer.
      this.addEventListener("message", ({ data }: MessageEvent<{ call: number }>) => {
        if (fatal?.worker !== this || data.call !== fatal.call) return;
        if (point === "answered") endNow();
        // Those who wait are told first.
        if (point === "told") setTimeout(endNow, 0);
      });
    }

    override postMessage(request: { call: number; mode?: string }): void {
      const isFatal = this.#isConcerned && request.mode === "write" && ++writes === at;
      if (!isFatal) return super.postMessage(request);
      if (point === "sealed") endNow();
      fatal = { worker: this, call: request.call };
      super.postMessage({ ...request, endAt: point });
    }
  };
}
