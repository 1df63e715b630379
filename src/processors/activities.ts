import { activityNameOf, activityType } from "../core/activity.ts";
import type { ActivityMonitor, ActivityStatus } from "../runtime/activity_status.ts";
import type { Entry } from "../runtime/mailbox.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { activityOf, type Work } from "../runtime/work.ts";
import { ActivityWorker } from "./activity_worker.ts";

/**
 * Performs the activities that all shards of this process have been asked for: hands each to the worker of its
 * activity.
 */
export class Activities implements ActivityMonitor {
  readonly #workers = new Map<string, ActivityWorker>();
  readonly #endings: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(private readonly runtime: Runtime) {
    for (const [name, activity] of runtime.registry.activities) {
      this.#workers.set(name, new ActivityWorker(runtime, activity, () => this.#wakeIdle()));
    }
  }

  /** Performs what is there, and from now on what comes. */
  start(): void {
    for (const { work } of this.runtime.shards) {
      this.#endings.push(
        work.arrived.subscribe((entry) => this.#arrived(work, entry)),
        work.dropped.subscribe((isForGood) => {
          for (const worker of this.#workers.values()) worker.dropped(work, isForGood);
        }),
      );
      for (const entry of [...work.entries]) this.#arrived(work, entry);
    }
    this.#endings.push(this.runtime.draining.subscribe(() => {
      for (const worker of this.#workers.values()) worker.drain();
    }));
  }

  /** Resolves when nothing runs. After draining has begun, nothing begins any more. */
  async idle(): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Tells what runs that this process stops. It is still listened to: `idle` says when all of it has ended. */
  interrupt(): void {
    for (const worker of this.#workers.values()) worker.interrupt();
  }

  /** Begins nothing more, and gives up what runs: the next process makes it again, or finds it in doubt. */
  stop(): void {
    for (const end of this.#endings.splice(0)) end();
    for (const worker of this.#workers.values()) worker.stop();
  }

  list(): ActivityStatus[] {
    const queued = new Map<string, number>();
    for (const { work } of this.runtime.shards) {
      for (const { message } of work.entries) {
        const name = activityNameOf(message.actor) ?? "";
        queued.set(name, (queued.get(name) ?? 0) + 1);
      }
    }
    return [...this.#workers].map(([name, worker]) => worker.status(queued.get(name) ?? 0));
  }

  running(message: { readonly id: string; readonly actor: string }): ReturnType<ActivityMonitor["running"]> {
    const attempt = this.#workers.get(activityNameOf(message.actor) ?? "")?.attemptAt(message);
    return attempt && { attempt: attempt.number, progress: attempt.progress };
  }

  get #isRunning(): boolean {
    return [...this.#workers.values()].some((worker) => worker.running > 0);
  }

  #arrived(work: Work, entry: Entry): void {
    const { name, key } = activityOf(entry);
    const worker = this.#workers.get(name);
    if (worker) return worker.arrived({ entry, work, key });
    const error = new Error(`There is no ${activityType(name)} in the modules that run`);
    work.refuse(entry, error).catch(() => {}); // when that is lost, the entry comes again
  }

  #wakeIdle(): void {
    if (this.#isRunning) return;
    for (const wake of this.#idle.splice(0)) wake();
  }
}
