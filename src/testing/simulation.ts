import type { Limits } from "../config.ts";
import type { AnyActivity } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import type { CommandRequest } from "../core/command.ts";
import type { Duration } from "../core/duration.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { Ids } from "../core/ids.ts";
import { createRuntime, type OpenRuntime } from "../create_runtime.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { AskResult, SubmitOptions } from "../runtime/runtime.ts";
import { readLog } from "../store/events.ts";
import { type DiskFault, SimulatedDisk } from "./simulated_disk.ts";
import { seededIds } from "./seeded_ids.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** How often things go wrong, as chances between 0 and 1 of each write; none unless given. */
export interface Faults {
  /** A write fails and changes nothing. */
  readonly lost?: number;
  /** A write is done, but its answer is an error. */
  readonly unanswered?: number;
  /** The process dies before or after a write, and another one starts. */
  readonly crash?: number;
  /** The longest time that a request to the disk takes, in milliseconds. */
  readonly diskMsMax?: number;
  /** An attempt of an activity fails, before or after its side effect. */
  readonly activity?: number;
}

export interface SimulationOptions {
  /** All chance comes from it: the same seed and the same calls give the same run. */
  readonly seed: number;
  readonly shards?: number;
  readonly faults?: Faults;
  readonly limits?: Partial<Limits>;
}

/** The process died while somebody waited for it: whether it has done what was asked is not known. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/** What does not come in this time does not come. */
const WAIT_MS_MAX = 3_600_000;

/**
 * The real engine on a virtual clock and disks in memory, driven by a seed: commands, timers, activities, sagas,
 * projections and reactors run as in production, a day takes milliseconds, and whatever can go wrong does when it
 * is told to.
 *
 * @example A day, and a crash
 * ```ts
 * import { simulate } from "folio/testing";
 * import { counter } from "../../actors/counter.ts";
 *
 * const sim = await simulate([counter], { seed: 7 });
 * await sim.ask(counter.ref("clicks").increment({ by: 2 }));
 * await sim.crash();
 * await sim.advance("24h");
 * console.assert((await sim.state(counter, "clicks")).version === 1);
 * await sim.stop();
 * ```
 */
export class Simulation {
  readonly clock = new VirtualClock();
  /** What has been logged, as `level message`. */
  readonly logged: string[] = [];
  /** Each invariant that a turn would have broken: the turn's error, once however often it was tried. */
  readonly broken: string[] = [];
  /** Times that the process has died. */
  crashes = 0;
  readonly #ids: Ids;
  readonly #chance: Ids;
  readonly #shards: readonly SimulatedDisk[];
  #read = new SimulatedDisk();
  readonly #failing = new Map<string, number>();
  #isCalm = false;
  #modules: readonly AnyModule[];
  #life = { isOver: false, ended: Promise.withResolvers<never>() };
  #runtime: Promise<OpenRuntime>;
  /** The present process, where it has started. */
  #ready: OpenRuntime | undefined;

  private constructor(modules: readonly AnyModule[], private readonly options: SimulationOptions) {
    this.#ids = seededIds(options.seed);
    // Of its own: an id more or less in the engine must not change what goes wrong.
    this.#chance = seededIds(options.seed ^ 0x5eed);
    this.#modules = modules;
    this.#shards = Array.from({ length: options.shards ?? 1 }, () => new SimulatedDisk());
    this.#runtime = this.#start();
  }

  static async start(modules: readonly AnyModule[], options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(modules, options);
    await simulation.runtime();
    return simulation;
  }

  /** A number in [0, 1), from the seed. */
  random(): number {
    return this.#chance.random();
  }

  /** The present process, once it has started. */
  async runtime(): Promise<OpenRuntime> {
    if (this.#ready) return this.#ready;
    while (true) {
      const life = this.#life;
      const runtime = await this.until(Promise.race([this.#runtime, life.ended.promise])).catch(() =>
        undefined
      );
      if (runtime && !life.isOver) return this.#ready = runtime;
    }
  }

  /**
   * Sends a command and waits for its answer, letting time pass as far as that takes.
   *
   * @throws {SimulatedCrash} When the process dies meanwhile.
   * @throws {FolioError} As `Runtime.ask` does.
   */
  async ask<Reply, Rejection>(
    request: CommandRequest<Reply, Rejection>,
    options: Omit<SubmitOptions, "waitMs" | "deliverAt"> = {},
  ): Promise<AskResult<Reply, Rejection>> {
    return await this.until(this.begin((runtime) => runtime.ask(request, options)));
  }

  /** Starts something on the present process; rejects when that dies. Time does not pass by itself. */
  async begin<T>(work: (runtime: OpenRuntime) => Promise<T>): Promise<T> {
    const runtime = this.#ready ?? await this.runtime();
    return await Promise.race([work(runtime), this.#life.ended.promise]);
  }

  /**
   * Lets time pass until a promise is settled.
   *
   * @throws {Error} When it is not within an hour.
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    const end = this.clock.now() + WAIT_MS_MAX;
    while (this.clock.now() < end) {
      await this.clock.settle();
      if (isSettled) return await promise;
      if (!await this.clock.advanceToNext()) break;
    }
    throw new Error("Nothing goes on, and what is waited for has not come");
  }

  /** Lets time pass. */
  async advance(by: number | Duration): Promise<void> {
    await this.runtime();
    await this.clock.advance(by);
    await this.runtime();
  }

  /** The process is killed, and another one starts on what is on the disks, with other code where it is given. */
  async crash(modules: readonly AnyModule[] = this.#modules): Promise<void> {
    this.#modules = modules;
    this.#crash();
    await this.runtime();
  }

  /** The next attempts of an activity fail. */
  fail(failing: AnyActivity, times: number): void {
    this.#failing.set(failing.name, times);
  }

  /** The present state of an actor; version 0 if it has no events. */
  async state(type: { readonly name: string }, key: string): Promise<{ state: unknown; version: number }> {
    return await this.until(this.begin((runtime) => runtime.state(type.name, key)));
  }

  /** All events, shard by shard, in their order. */
  async events(): Promise<RecordedEvent[]> {
    const everything = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 1_000_000 };
    const lists = await Promise.all(
      this.#shards.map((disk, shard) => readLog(lookAt(disk), shard, everything)),
    );
    return lists.flat();
  }

  /** Rows of a shard's database, as they are on the disk. */
  async rows(shard: number, sql: string): Promise<readonly (readonly unknown[])[]> {
    return await this.#shards[shard]?.look({ sql }) ?? [];
  }

  /** Deletes all snapshots and the read database: a new process must not miss them. */
  async dropDerived(): Promise<void> {
    for (const disk of this.#shards) await disk.look({ sql: "DELETE FROM snapshots" });
    this.#read = new SimulatedDisk();
    await this.crash();
  }

  /** Nothing goes wrong any more; what did is made up for. */
  calm(): void {
    this.#isCalm = true;
    this.#failing.clear();
  }

  async stop(): Promise<void> {
    const runtime = await this.runtime();
    await this.until(runtime[Symbol.asyncDispose]());
  }

  #crash(): void {
    if (this.#life.isOver) return;
    this.crashes++;
    this.#life.isOver = true;
    this.#ready = undefined;
    this.#life.ended.reject(new SimulatedCrash("The process died, as planned"));
    this.#life = { isOver: false, ended: Promise.withResolvers<never>() };
    this.#runtime = this.#start();
  }

  #start(): Promise<OpenRuntime> {
    const life = this.#life;
    life.ended.promise.catch(() => {});
    const clock: Clock = {
      now: () => this.clock.now(),
      after: (delayMs, callback) => this.clock.after(delayMs, () => life.isOver || callback()),
      soon: (callback) => this.clock.soon(() => life.isOver || callback()),
    };
    const world = {
      clock,
      fault: () => this.#fault(),
      delayMs: () =>
        this.#isCalm ? 0 : Math.floor(this.random() * ((this.options.faults?.diskMsMax ?? 0) + 1)),
      crash: () => life === this.#life && this.#crash(),
    };
    const starting = createRuntime({
      modules: this.#modules.map((module) => module.kind === "activity" ? this.#unreliable(module) : module),
      data: (name) => {
        const shard = /^shard-(\d+)$/.exec(name)?.[1];
        const disk = shard === undefined ? this.#read : this.#shards[Number(shard)];
        if (!disk) throw new RangeError(`There is no disk ${name}`);
        return Promise.resolve(disk.connect(world, life));
      },
      shards: this.#shards.length,
      clock,
      ids: this.#ids,
      limits: this.options.limits,
      log: (level, message, fields) => {
        if (life.isOver) return;
        this.logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
        const error = String(fields?.error);
        if (error.startsWith("InvariantError: ") && !this.broken.includes(error)) this.broken.push(error);
      },
    });
    // A store that fails while a process starts ends it; another one is started.
    return starting.catch((error) => {
      if (!life.isOver) {
        this.logged.push(`error Start failed ${error instanceof Error ? error.message : error}`);
        this.#crash();
      }
      return new Promise<never>(() => {});
    });
  }

  #fault(): DiskFault {
    const { lost = 0, unanswered = 0, crash = 0 } = this.#isCalm ? {} : this.options.faults ?? {};
    let chance = this.random();
    for (const [fault, share] of [["lost", lost], ["unanswered", unanswered]] as const) {
      if (chance < share) return fault;
      chance -= share;
    }
    return chance < crash / 2 ? "crash-before" : chance < crash ? "crash-after" : "ok";
  }

  /** An activity whose attempts fail as they are told to, before or after they have done their work. */
  #unreliable(inner: AnyActivity): AnyActivity {
    return {
      ...inner,
      run: async (input, context) => {
        const times = this.#failing.get(inner.name) ?? 0;
        if (times > 0) {
          this.#failing.set(inner.name, times - 1);
          throw new Error(`${inner.name} failed, as planned`);
        }
        const isFailing = !this.#isCalm && this.random() < (this.options.faults?.activity ?? 0);
        const isBefore = this.random() < 0.5;
        if (isFailing && isBefore) throw new Error(`${inner.name} failed, as planned`);
        const output = await inner.run(input, context);
        if (isFailing) throw new Error(`${inner.name} failed after its work, as planned`);
        return output;
      },
    };
  }
}

/** @see Simulation */
export function simulate(modules: readonly AnyModule[], options: SimulationOptions): Promise<Simulation> {
  return Simulation.start(modules, options);
}

function lookAt(disk: SimulatedDisk) {
  return {
    execute: disk.look.bind(disk),
    batch: () => Promise.reject(new Error("Only to look at")),
    close: () => Promise.resolve(),
  };
}
