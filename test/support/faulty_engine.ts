import type { Commit } from "../../src/store/commit.ts";
import { RefusedError } from "../../src/store/refusal.ts";
import { FencedError, type Head, type ShardEngine, UnavailableError } from "../../src/store/engine.ts";

/**
 * What happens to one append: `ok`; `before`: fails and writes nothing; `after`: is written, but the answer
 * is lost; `fenced`: another holder has the shard; `refused`: the store says that it refuses it; `refused-after`: it
 * says so, and has written it; `refused-fenced`: and another holder has the shard since.
 */
export type Fault = "ok" | "before" | "after" | "fenced" | "refused" | "refused-after" | "refused-fenced";

/** An engine that fails, hangs and dies when it is told to. */
export class FaultyEngine implements ShardEngine {
  readonly isShared = false;
  /** What has been written, oldest first. */
  readonly written: Commit[] = [];
  /** Appends that were asked for, written or not. */
  attempts = 0;
  /** `recover` fails so many more times. */
  headFailures = 0;
  /** Whether the process has gone. */
  isDead = false;
  #killAt: { readonly attempt: number; readonly when: "before" | "after" } | undefined;
  #isTaken = false;
  readonly #faults: Fault[] = [];
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(private readonly inner: ShardEngine) {}

  /** What happens to the next appends, in order; after those all is well. */
  plan(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** Nothing that was planned happens any more. */
  calm(): void {
    this.#faults.length = 0;
  }

  /** From now on, appends wait. @returns Lets them go, each as it was planned. */
  hang(): () => void {
    const gate = this.#gate ??= Promise.withResolvers<void>();
    return () => {
      this.#gate = undefined;
      gate.resolve();
    };
  }

  /** The process goes with an append: before or after it is written. @param index From 0, of those asked for. */
  killAt(index: number, when: "before" | "after"): void {
    this.#killAt = { attempt: index + 1, when };
  }

  /** As if the process had gone: whatever is asked is never answered. */
  kill(): void {
    this.isDead = true;
  }

  acquire(): Promise<Head> {
    return this.inner.acquire();
  }

  head(): Promise<Head> {
    return this.inner.head();
  }

  recover(): Promise<Head> {
    if (this.isDead) return new Promise(() => {});
    if (this.#isTaken) return Promise.reject(new FencedError("another holder, as planned"));
    if (this.headFailures > 0) {
      this.headFailures--;
      return Promise.reject(new UnavailableError("recover failed, as planned"));
    }
    return this.inner.recover();
  }

  async append(expected: number, commit: Commit): Promise<number> {
    this.attempts++;
    const fault = this.#faults.shift() ?? "ok";
    await this.#gate?.promise;
    const kill = this.attempts === this.#killAt?.attempt ? this.#killAt.when : undefined;
    if (kill === "before") this.kill();
    if (this.isDead) return await new Promise(() => {});
    if (fault === "before") throw new UnavailableError("append failed, as planned");
    if (fault === "refused") throw new RefusedError("refused, as planned");
    if (fault === "refused-fenced") {
      this.#isTaken = true;
      throw new RefusedError("refused, as planned");
    }
    if (fault === "fenced") throw new FencedError("another holder, as planned");
    const index = await this.inner.append(expected, commit);
    this.written.push(commit);
    if (kill === "after") {
      this.kill();
      return await new Promise(() => {});
    }
    if (fault === "refused-after") throw new RefusedError("refused, as planned");
    if (fault === "after") throw new UnavailableError("answer lost, as planned");
    return index;
  }

  read(from: number, options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<Commit> {
    return this.inner.read(from, options);
  }
}
