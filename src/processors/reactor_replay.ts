import { FolioError } from "../core/errors.ts";
import type { Reactor } from "../core/reactor.ts";
import { formatToken } from "../core/token.ts";
import { type LogStart, positionsBefore } from "../runtime/log_start.ts";
import type { ReactorReplay, ReactorStatus } from "../runtime/reactor_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readCheckpointsWith } from "../store/checkpoints.ts";
import { HandlerError } from "./handler_error.ts";
import { ReactorFollower } from "./reactor_follower.ts";
import { ReactorHandling } from "./reactor_handling.ts";
import { draining } from "../runtime/serving.ts";

const EVENTS_PER_READ = 1_000;

/** What of a shard's log is replayed: `after` < position <= `upTo`, by shard. */
type Ranges = ReadonlyMap<number, { readonly after: number; readonly upTo: number }>;

/** A replay that sends, as the shards' checkpoints tell of it. */
interface Run {
  readonly number: number;
  readonly ranges: Ranges;
}

/**
 * Lets a reactor answer events once more, on purpose.
 *
 * A replay that sends is a run with a number that no other run of the reactor has ever had. Its checkpoint in
 * each shard is called by it (`welcome~3`), and so are its messages, which therefore are others than those of
 * the first time. Where it ends stands beside the checkpoint (`welcome~3~end`), so that a process that starts
 * goes on with it. One that is not in every shard was never begun: nothing was sent.
 */
export class ReactorReplays {
  #run: { number: number; followers: readonly ReactorFollower[] } | undefined;
  #isStopped = false;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #handling: ReactorHandling;

  constructor(
    private readonly runtime: Runtime,
    private readonly reactor: Reactor,
    private readonly live: readonly ReactorFollower[],
  ) {
    this.#handling = new ReactorHandling(runtime, reactor);
  }

  /** Goes on with the run that the last process has left. @throws {DatabaseError} */
  resume(): Promise<void> {
    return this.#exclusively(async () => {
      const run = (await this.#runs()).findLast(isUnfinished);
      if (run && run.ranges.size === this.runtime.shards.length) this.#follow(run);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#turn;
    await this.#end();
  }

  status(): ReactorStatus["replay"] {
    if (!this.#run) return undefined;
    const { number, followers } = this.#run;
    const failure = followers.find((follower) => follower.failure)?.failure;
    const eventsLeft = followers.reduce((sum, { lagEvents }) => sum + lagEvents, 0);
    return { run: number, eventsLeft, ...(failure ? { failure } : {}) };
  }

  /** Resolves when nothing is being sent again any more. */
  async replayed(): Promise<void> {
    await Promise.all(this.#run?.followers.map(({ done }) => done) ?? []);
  }

  /** Asks the handlers what they would send about events that the reactor has seen, and sends nothing. */
  async rehearse(from: LogStart | undefined): Promise<ReactorReplay> {
    const ranges = await this.#rangesFrom(from);
    const { name } = this.reactor;
    const token = formatToken(new Map([...ranges].map(([shard, { upTo }]) => [shard, upTo])));
    const messages = new Map<string, number>();
    let [eventsAnswered, messagesCount] = [0, 0];
    const report = () => ({
      reactor: name,
      token,
      eventsAnswered,
      messages: messagesCount,
      messagesByCommand: Object.fromEntries([...messages].sort()),
    });
    try {
      for (const shard of this.runtime.shards) {
        let { after = 0, upTo = 0 } = ranges.get(shard.number) ?? {};
        while (after < upTo) {
          if (this.#isStopped) throw draining();
          const page = await this.#handling.read(shard, { after, upTo, limit: EVENTS_PER_READ });
          for (const event of page.events) {
            const { sends } = this.#handling.sendsFor(event);
            if (sends.length > 0) eventsAnswered++;
            for (const { request: { type, command } } of sends) {
              messagesCount++;
              const key = `${type}/${command}`;
              messages.set(key, (messages.get(key) ?? 0) + 1);
            }
          }
          after = page.end;
        }
      }
    } catch (error) {
      if (!(error instanceof HandlerError)) throw error;
      const { error: text, event } = error.toFailure(0);
      return { ...report(), failure: { error: text, event } };
    }
    return report();
  }

  /**
   * Sends again, as other messages than the first time. Resolves once it will be done, whatever crashes.
   *
   * @throws {FolioError} `replay-in-progress`; or what `Shard.react` throws, and then it may be asked again:
   * what of it is on disk is given up first.
   */
  resend(from: LogStart | undefined): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#run) throw inProgress(this.reactor);
      const ranges = await this.#rangesFrom(from);
      const runs = await this.#runs();
      for (const run of runs.filter(isUnfinished)) await this.#giveUp(run);
      const run = { number: Math.max(0, ...runs.map(({ number }) => number)) + 1, ranges };
      await this.#write(run, ({ after, upTo }) => Math.min(after, upTo));
      this.#follow(run);
    });
  }

  /** Ends a run. What has been sent has been sent. */
  cancel(): Promise<void> {
    return this.#exclusively(async () => {
      await this.#end();
      for (const run of (await this.#runs()).filter(isUnfinished)) await this.#giveUp(run);
    });
  }

  /** What the reactor has seen: the rest it answers anyway. */
  async #rangesFrom(from: LogStart | undefined): Promise<Ranges> {
    await Promise.all(this.live.map(({ opened }) => opened));
    const { shards } = this.runtime;
    const after = from ? await positionsBefore(shards, from) : new Map<number, number>();
    return new Map(shards.map(({ number }, index) => {
      const upTo = this.live[index]?.position ?? 0;
      return [number, { after: after.get(number) ?? 0, upTo }];
    }));
  }

  #follow(run: Run): void {
    if (this.#isStopped) return;
    const followers = this.runtime.shards.map((shard) => {
      const { after, upTo } = run.ranges.get(shard.number) ?? { after: 0, upTo: 0 };
      const follower = new ReactorFollower(this.runtime, this.reactor, shard, {
        checkpoint: this.#nameOf(run),
        upTo,
      });
      follower.position = Math.min(after, upTo);
      return follower;
    });
    const current = this.#run = { number: run.number, followers };
    for (const follower of followers) follower.start();
    void this.replayed().then(() => {
      if (this.#run === current) this.#run = undefined;
    });
  }

  async #end(): Promise<void> {
    const run = this.#run;
    await Promise.all(run?.followers.map((follower) => follower.stop()) ?? []);
    this.#run = undefined;
  }

  #giveUp(run: Run): Promise<void> {
    return this.#write(run, ({ upTo }) => upTo);
  }

  /** Writes where a run is, in all the shards that it is in. */
  async #write({ number, ranges }: Run, positionIn: (range: { after: number; upTo: number }) => number) {
    const name = this.#nameOf({ number });
    await Promise.all(this.runtime.shards.map(async (shard) => {
      const range = ranges.get(shard.number);
      if (!range) return;
      // In the order of the log: where there is a checkpoint, its end is there, too.
      await Promise.all([
        shard.react(`${name}~end`, range.upTo, []),
        shard.react(name, positionIn(range), []),
      ]);
    }));
  }

  /** All runs that there have been, the oldest first. */
  async #runs(): Promise<Run[]> {
    const found = new Map<number, Map<number, { after: number; upTo: number }>>();
    for (const shard of this.runtime.shards) {
      const rows = await readCheckpointsWith(shard.store.database, `${this.reactor.name}~`);
      for (const [name, after] of rows) {
        const number = Number(name.split("~")[1]);
        const ranges = found.get(number) ?? new Map();
        found.set(number, ranges);
        const upTo = rows.get(`${name}~end`);
        if (upTo !== undefined) ranges.set(shard.number, { after, upTo });
      }
    }
    return [...found].sort(([a], [b]) => a - b).map(([number, ranges]) => ({ number, ranges }));
  }

  #nameOf({ number }: Pick<Run, "number">): string {
    return `${this.reactor.name}~${number}`;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }
}

function isUnfinished({ ranges }: Run): boolean {
  return [...ranges.values()].some(({ after, upTo }) => after < upTo);
}

function inProgress({ name }: Reactor): FolioError {
  return new FolioError("replay-in-progress", `Reactor ${name} is being replayed: wait, or give that up`, {
    reactor: name,
  });
}
