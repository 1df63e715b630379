import { errorMessage, FolioError } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import { readOutbox } from "../store/outbox.ts";

const MESSAGES_PER_READ = 500;
const RETRY_DELAY_MS = 1_000;

/**
 * Carries messages from the outboxes of shards to the mailboxes of others.
 *
 * Invariants:
 * 1. A message leaves the outbox only when the other shard has it on disk. It may be carried twice, when the
 *    process dies in between: the other shard knows it by its id.
 * 2. Messages for one actor are carried in the order sent. One that finds no room holds back those behind it
 *    for the same actor, and no others.
 */
export class Relay {
  #runs = new Map<Shard, Promise<void>>();
  #isWanted = new Set<Shard>();
  #endings: (() => void)[] = [];
  #cancelRetries = new Map<Shard, () => void>();
  #isStopped = false;

  constructor(private readonly runtime: Runtime) {}

  /** Carries what is there, and from now on what comes. */
  start(): void {
    if (this.runtime.shards.length === 1) return;
    for (const shard of this.runtime.shards) {
      this.#endings.push(shard.wakeups.outboxFilled.subscribe(() => this.#wake(shard)));
      this.#wake(shard);
    }
  }

  /** Resolves when nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#endings) end();
    for (const cancel of this.#cancelRetries.values()) cancel();
    await Promise.all(this.#runs.values());
  }

  /**
   * Carries all that one shard has for others.
   *
   * @returns Whether something had to stay.
   */
  async runOnce(source: Shard): Promise<boolean> {
    // Side by side: a shard that is slow to take them holds back none that are for others.
    const targets = this.runtime.shards.filter((target) => target !== source);
    const outcomes = await Promise.allSettled(targets.map((target) => this.#carry(source, target)));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return outcomes.some((outcome) => outcome.status === "fulfilled" && outcome.value);
  }

  #wake(source: Shard): void {
    if (this.#isStopped) return;
    this.#isWanted.add(source);
    if (this.#runs.has(source)) return;
    const run = this.#run(source).finally(() => {
      this.#runs.delete(source);
      // Woken after the loop had ended, and before it was known to.
      if (this.#isWanted.has(source) && !this.#isStopped) this.#wake(source);
    });
    this.#runs.set(source, run);
  }

  async #run(source: Shard): Promise<void> {
    while (this.#isWanted.delete(source) && !this.#isStopped) {
      let isLeft = true;
      try {
        isLeft = await this.runOnce(source);
      } catch (error) {
        this.runtime.log("warn", "Outbox cannot be carried on", {
          shard: source.number,
          error: errorMessage(error),
        });
      }
      if (isLeft && !this.#isStopped) this.#retryLater(source);
    }
  }

  #retryLater(source: Shard): void {
    this.#cancelRetries.get(source)?.();
    this.#cancelRetries.set(source, this.runtime.clock.after(RETRY_DELAY_MS, () => this.#wake(source)));
  }

  async #carry(source: Shard, target: Shard): Promise<boolean> {
    const blocked = new Set<string>();
    let after = 0;
    while (!this.#isStopped) {
      const { items: rows } = await readOutbox(source.store.database, {
        ...{ shard: target.number, after },
        ...{ limit: MESSAGES_PER_READ, bytesMax: this.runtime.limits.pageBytesMax },
      });
      if (rows.length === 0) break;
      const arrived = await Promise.all(rows.map(({ message }) => deliver(target, message, blocked)));
      const seqs = rows.filter((_, index) => arrived[index]).map(({ seq }) => seq);
      if (seqs.length > 0) await source.relayed(seqs);
      after = rows.at(-1)?.seq ?? after;
    }
    return blocked.size > 0;
  }
}

/** @returns Whether the other shard has it on disk. */
function deliver(target: Shard, message: Message, blocked: Set<string>): Promise<boolean> {
  return new Promise((resolve) => {
    const refused = () => {
      blocked.add(message.actor);
      resolve(false);
    };
    if (blocked.has(message.actor)) return resolve(false);
    try {
      target.submit(message, { durable: true, named: true }, {
        wantsOutcome: false,
        handled: () => resolve(true),
        admitted: () => resolve(true),
        failed: refused,
      });
    } catch (error) {
      if (!(error instanceof FolioError)) throw error;
      refused();
    }
  });
}
