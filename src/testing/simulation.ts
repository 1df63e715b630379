import type { Limits } from "../config.ts";
import type { AnyActivity } from "../core/activity.ts";
import { addressOf } from "../core/address.ts";
import type { CommandRequest } from "../core/command.ts";
import type { Duration } from "../core/duration.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { OpenRuntime } from "../create_runtime.ts";
import type { SubmitOptions } from "../runtime/commands.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { AskResult } from "../runtime/runtime.ts";
import { readLog } from "../store/events.ts";
import { seededIds } from "./seeded_ids.ts";
import { DiskPool, type SimulatedDisk } from "./simulated_disk.ts";
import { type FaultCounts, FaultDice, type Faults } from "./simulated_faults.ts";
import { SimulatedCluster } from "./simulated_cluster.ts";
import { VirtualClock } from "./virtual_clock.ts";

export interface SimulationOptions {
  /** All chance comes from it: the same seed and the same calls give the same run. */
  readonly seed: number;
  readonly shards?: number;
  readonly faults?: Faults;
  readonly limits?: Partial<Limits>;
  /** What the disks of shards take nowhere: a write with this text in one of its values is refused, for good. */
  readonly refused?: string;
  /** Whether metrics and alerts are kept (false); they look at the disks every 15 seconds. */
  readonly observe?: boolean;
  /** Disks of simulations before this one, to save making new ones; they are given back when it stops. */
  readonly disks?: DiskPool;
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
  readonly #startedAt = this.clock.elapsed();
  readonly #trace: string[] = [];
  readonly #dice: FaultDice;
  readonly #disks: DiskPool;
  readonly #cluster: SimulatedCluster;

  private constructor(modules: readonly AnyModule[], options: SimulationOptions) {
    const ids = seededIds(options.seed);
    // Of its own: an id more or less in the engine must not change what goes wrong.
    const chance = seededIds(options.seed ^ 0x5eed);
    this.#dice = new FaultDice(options.faults ?? {}, () => chance.random());
    this.#disks = options.disks ?? new DiskPool();
    const { shards = 1, limits, observe = false } = options;
    const archives = modules.some((module) => module.kind === "actor" && module.archive !== undefined);
    const disks = {
      shards: Array.from({ length: shards }, (_, shard) => this.#disks.take({ shard, shards }, archives)),
      read: this.#disks.take({ shards }, archives),
    };
    this.#cluster = new SimulatedCluster(modules, disks, {
      ...{ clock: this.clock, ids, dice: this.#dice, limits, isObserved: observe, refused: options.refused },
      note: (what) => this.note(what),
    });
    this.#cluster.start();
  }

  static async start(modules: readonly AnyModule[], options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(modules, options);
    await simulation.runtime();
    return simulation;
  }

  /** What has been logged, as `level message`. */
  get logged(): readonly string[] {
    return this.#cluster.logged;
  }

  /**
   * What has happened, as `seconds what`: processes that start and end, each fault, what was logged, and what was
   * noted. The same seed and the same calls give the same.
   */
  get trace(): readonly string[] {
    return this.#trace;
  }

  /** Adds a line to `trace`. */
  note(what: string): void {
    const seconds = (this.clock.elapsed() - this.#startedAt) / 1_000;
    this.#trace.push(`${seconds.toFixed(3)} ${what}`);
  }

  /** Each invariant that a turn would have broken: the turn's error, once however often it was tried. */
  get broken(): readonly string[] {
    return this.#cluster.broken;
  }

  /** Times that a process has died. */
  get crashes(): number {
    return this.#cluster.crashes;
  }

  /** A number in [0, 1), from the seed. */
  random(): number {
    return this.#dice.random();
  }

  /** What has gone wrong so far, by kind. */
  get faults(): Readonly<FaultCounts> {
    return this.#dice.counts;
  }

  /** The newest process, once it has started. */
  async runtime(): Promise<OpenRuntime> {
    const ready = () => {
      const { newest } = this.#cluster;
      return newest?.isPaused ? undefined : newest?.runtime;
    };
    if (!ready()) await this.#untilIt(() => ready() !== undefined);
    return ready() ?? await this.runtime();
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

  /**
   * Starts something on the newest process, or on an older one that still lives, where it is to be; rejects when
   * that dies. Time does not pass by itself.
   */
  async begin<T>(work: (runtime: OpenRuntime) => Promise<T>, on: "newest" | "older" = "newest"): Promise<T> {
    const { processes, newest } = this.#cluster;
    const wanted = on === "older" ? processes[0] : newest;
    const process = wanted?.runtime ? wanted : newest;
    if (!process?.runtime) {
      await this.#cluster.started();
      return await this.begin(work, on);
    }
    const { runtime } = process;
    if (process.isPaused) await Promise.race([process.running(), process.ended]);
    return await Promise.race([work(runtime), process.ended]);
  }

  /**
   * Lets time pass until a promise is settled.
   *
   * @throws {Error} When it is not within an hour.
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    await this.#untilIt(() => isSettled);
    return await promise;
  }

  /** Lets time pass. */
  async advance(by: number | Duration): Promise<void> {
    await this.runtime();
    await this.clock.advance(by);
    await this.runtime();
  }

  /** All processes are killed, and another one starts on what is on the disks, with other code where it is given. */
  async crash(modules: readonly AnyModule[] = this.#cluster.modules): Promise<void> {
    const { processes, newest } = this.#cluster;
    this.#cluster.modules = modules;
    for (const process of processes.slice(0, -1)) this.#cluster.end(process);
    if (newest) this.#cluster.crash(newest);
    await this.runtime();
  }

  /** Another process takes the shards over from the newest one, which goes on without knowing. */
  async takeOver(): Promise<void> {
    this.#cluster.start();
    await this.runtime();
  }

  /** The next attempts of an activity fail. */
  fail(failing: AnyActivity, times: number): void {
    this.#dice.failing.set(failing.name, times);
  }

  /**
   * The present state of an actor, `account.ref("ann")` or `account, "ann"`; version 0 if it has no events.
   *
   * @throws {TypeError} When neither is given.
   */
  state(ref: object): Promise<{ state: unknown; version: number }>;
  state(type: { readonly name: string }, key: string): Promise<{ state: unknown; version: number }>;
  async state(actor: object, key?: string): Promise<{ state: unknown; version: number }> {
    const place = key !== undefined && "name" in actor ? { type: String(actor.name), key } : addressOf(actor);
    return await this.until(this.begin((runtime) => runtime.state(place.type, place.key)));
  }

  /** All events, shard by shard, in their order. */
  async events(): Promise<RecordedEvent[]> {
    const everything = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 1_000_000, bytesMax: Infinity };
    const lists = await Promise.all(
      this.#cluster.disks.shards.map((disk, shard) => readLog(lookAt(disk), shard, everything)),
    );
    return lists.flatMap(({ events }) => events);
  }

  /** Rows of a shard's database, as they are on the disk. */
  async rows(shard: number, sql: string): Promise<readonly (readonly unknown[])[]> {
    return await this.#cluster.disks.shards[shard]?.look({ sql }) ?? [];
  }

  /** Deletes all snapshots and the read database: a new process must not miss them. */
  async dropDerived(): Promise<void> {
    const { processes, disks } = this.#cluster;
    for (const disk of disks.shards) await disk.look({ sql: "DELETE FROM snapshots" });
    for (const process of processes) process.pause();
    await disks.read.recycle();
    await this.crash();
  }

  /** Nothing goes wrong any more; what did is made up for. Older processes go on, and end after a while. */
  calm(): void {
    this.#dice.isCalm = true;
    this.#dice.failing.clear();
    this.#cluster.calm();
  }

  async stop(): Promise<void> {
    const runtime = await this.runtime();
    const { processes, disks, newest } = this.#cluster;
    for (const process of processes.slice(0, -1)) this.#cluster.end(process);
    await this.until(runtime[Symbol.asyncDispose]());
    if (newest) this.#cluster.end(newest);
    for (const disk of [disks.read, ...disks.shards]) await this.#disks.giveBack(disk);
  }

  async #untilIt(isSo: () => boolean): Promise<void> {
    const end = this.clock.elapsed() + WAIT_MS_MAX;
    while (this.clock.elapsed() < end) {
      await this.clock.settle();
      if (isSo()) return;
      this.#cluster.checkStartable();
      if (!await this.clock.advanceToNext()) break;
    }
    throw new Error("Nothing goes on, and what is waited for has not come");
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
