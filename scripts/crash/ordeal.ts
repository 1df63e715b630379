/**
 * Loaded before the server (`deno run --preload`), which is what it always is: ends its process at a point of the
 * way of a commit, sets its clock, and lets it archive more often.
 */
import { endNow, type KillPoint, Ordeal, ordealVariable } from "./kill_points.ts";

const SET_AFTER_MS = 500;
/** How often a server looks for what to archive: no life lasts so long, so here it looks sooner. */
const ARCHIVES_EVERY_MS = 600_000;
const ARCHIVES_AFTER_MS = 150;

/** The part of a request to a database's thread that is looked at. */
interface Request {
  readonly call: number;
  readonly mode?: string;
  readonly endAt?: KillPoint;
  readonly statements?: readonly { readonly args?: readonly unknown[] }[];
}

const { kill, clockOffMs: [startOffMs, laterOffMs] } = Ordeal.parse(
  JSON.parse(Deno.env.get(ordealVariable) ?? ""),
);

let offMs = startOffMs;
const wallClock = Date.now.bind(Date);
Date.now = () => wallClock() + offMs;
Deno.unrefTimer(setTimeout(() => offMs = laterOffMs, SET_AFTER_MS));

const wait = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (run: () => void, delayMs?: number) =>
    wait(run, delayMs === ARCHIVES_EVERY_MS ? ARCHIVES_AFTER_MS : delayMs),
  wait,
);

if (kill) {
  const { point, database, at } = kill;
  const file = database === "shard" ? /shard-\d+\.db$/ : /read\.db$/;
  let writes = 0;
  /** Of the thread that has the write, the number of the request; answers name it. */
  let fatal: { readonly worker: Worker; readonly call: number } | undefined;

  const isFatal = ({ statements = [] }: Request) =>
    typeof at === "number"
      ? ++writes === at
      : statements.some(({ args = [] }) => args.some((arg) => String(arg).includes(at)));

  globalThis.Worker = class extends Worker {
    readonly #isConcerned: boolean;
    #unanswered = 0;
    /** From the fatal one on: its thread must be at that and nothing else when it is told where to end. */
    #held: Request[] = [];

    constructor(script: string | URL, options?: WorkerOptions) {
      const isDatabase = /\/database_worker\.ts$/.test(String(script));
      super(isDatabase ? new URL("./ordeal_worker.ts", import.meta.url) : script, options);
      this.#isConcerned = isDatabase && file.test(options?.name ?? "");
      // Before the one that takes the answer.
      this.addEventListener("message", ({ data }: MessageEvent<{ call: number }>) => {
        this.#unanswered--;
        this.#sendHeld();
        if (fatal?.worker !== this || data.call !== fatal.call) return;
        if (point === "answered") endNow();
        // Those who wait are told first.
        if (point === "told") setTimeout(endNow, 0);
      });
    }

    override postMessage(request: Request): void {
      const isWrite = this.#isConcerned && request.mode === "write";
      const isIts = isWrite && !fatal && isFatal(request);
      if (!isIts && this.#held.length === 0) return this.#send(request);
      if (isIts && point === "sealed") endNow();
      if (isIts) fatal = { worker: this, call: request.call };
      this.#held.push(isIts ? { ...request, endAt: point } : request);
      this.#sendHeld();
    }

    #sendHeld(): void {
      if (this.#unanswered === 0) { for (const request of this.#held.splice(0)) this.#send(request); }
    }

    #send(request: Request): void {
      this.#unanswered++;
      super.postMessage(request);
    }
  };
}
