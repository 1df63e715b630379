import type { Limits } from "../config.ts";
import { FolioError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { createRuntime } from "../create_runtime.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { Statement } from "../store/database.ts";
import type { DiskWorld, SimulatedDisk } from "./simulated_disk.ts";
import type { FaultDice } from "./simulated_faults.ts";
import { SimulatedProcess } from "./simulated_process.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** After so long, another process takes over from one that is stopped, and that one goes on. */
const TAKEOVER_MS_MAX = 3_000;
const PAUSE_MS_MAX = 20_000;
const LATE_MS_MAX = 2_000;
const REPEATED_MS_MAX = 30_000;
/** Starts that may fail one after the other, by planned faults, before it is the store that cannot be used. */
const FAILED_STARTS_MAX = 100;
/** A process that does not serve for so long is replaced. */
const SUPERVISION_MS = 10_000;

/** What all processes of a simulation share. */
export interface ClusterOptions {
  readonly clock: VirtualClock;
  readonly ids: Ids;
  readonly dice: FaultDice;
  readonly limits: Partial<Limits> | undefined;
  /** Takes down what happens. */
  readonly note: (what: string) => void;
  readonly isObserved: boolean;
  /** What no shard's disk takes. */
  readonly refused: string | undefined;
}

/**
 * The processes of a simulation: each takes over from those before it. They die, are stopped and go on as the dice
 * say, and the newest is replaced when it does not serve.
 */
export class SimulatedCluster {
  /** What has been logged, as `level message`. */
  readonly logged: string[] = [];
  /** Errors of turns that would have broken an invariant. */
  readonly broken: string[] = [];
  crashes = 0;
  #processes: SimulatedProcess[] = [];
  #started = 0;
  #failedStarts = 0;
  /** Why no process can start any more. */
  #unstartable: string | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(
    public modules: readonly AnyModule[],
    readonly disks: { readonly shards: readonly SimulatedDisk[]; readonly read: SimulatedDisk },
    private readonly options: ClusterOptions,
  ) {}

  /** Those that live, the newest last. */
  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  get newest(): SimulatedProcess | undefined {
    return this.#processes.at(-1);
  }

  /** @throws {Error} When one process after the other could not start, and none will. */
  checkStartable(): void {
    if (this.#unstartable !== undefined) throw new Error(`No process can start: ${this.#unstartable}`);
  }

  /** Resolves when a process has started, which need not be the newest by then. */
  started(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Those that are stopped go on; those that were overtaken die after a while. */
  calm(): void {
    const older = this.#processes.slice(0, -1);
    for (const process of this.#processes) this.#resume(process);
    this.options.clock.after(PAUSE_MS_MAX, () => older.forEach((process) => this.end(process)));
  }

  /** A process dies. */
  end(process: SimulatedProcess): void {
    if (!process.isOver) this.options.note(`${process.name} ends`);
    process.end();
    this.#processes = this.#processes.filter((other) => other !== process);
  }

  /** A process dies; the newest one is replaced. @param why Where it has not started. */
  crash(process: SimulatedProcess, why = "it died, as planned"): void {
    if (process.isOver) return;
    const isNewest = process === this.newest;
    this.crashes++;
    this.end(process);
    if (!isNewest) return;
    if (!process.runtime && ++this.#failedStarts >= FAILED_STARTS_MAX) this.#unstartable = why;
    else this.start();
  }

  /** A process is stopped, another one takes its shards over, and the first goes on, before that or after. */
  #pause(process: SimulatedProcess): void {
    if (process !== this.newest) return;
    process.pause();
    this.options.note(`${process.name} is stopped`);
    this.options.clock.after(
      this.options.dice.random() * TAKEOVER_MS_MAX,
      () => process === this.newest && this.start(),
    );
    this.options.clock.after(this.options.dice.random() * PAUSE_MS_MAX, () => this.#resume(process));
  }

  #resume(process: SimulatedProcess): void {
    if (process.isPaused) this.options.note(`${process.name} goes on`);
    process.resume();
  }

  /** Starts a process. Of those before it, one may live on. */
  start(): void {
    for (const process of this.#processes.slice(0, -1)) this.end(process);
    const process = new SimulatedProcess(this.options.clock, `process ${++this.#started}`);
    this.#processes.push(process);
    this.options.note(`${process.name} starts`);
    if (this.#started === 2) this.#supervise();
    const starting = createRuntime({
      modules: this.modules.map((module) =>
        module.kind === "activity"
          ? this.options.dice.unreliable(module, process.clock, this.options.note)
          : module
      ),
      data: async (name, archives) => {
        const shard = /^shard-(\d+)$/.exec(name)?.[1];
        const disk = shard === undefined ? this.disks.read : this.disks.shards[Number(shard)];
        if (!disk) throw new RangeError(`There is no disk ${name}`);
        await disk.setUp(archives);
        return disk.connect(this.#worldOf(process, disk), process);
      },
      shards: this.disks.shards.length,
      clock: process.clock,
      ids: this.options.ids,
      death: process.death,
      limits: this.options.limits,
      observe: this.options.isObserved ? {} : false,
      log: (level, message, fields) => {
        if (process.isOver) return;
        const line = `${level} ${message} ${JSON.stringify(fields)}`;
        this.logged.push(line);
        this.options.note(`${process.name} logs ${line}`);
        const error = String(fields?.error);
        if (error.startsWith("InvariantError: ") && !this.broken.includes(error)) this.broken.push(error);
      },
    });
    starting.then((runtime) => {
      if (process.isOver) return;
      process.runtime = runtime;
      this.options.note(`${process.name} serves`);
      this.#failedStarts = 0;
      for (const wake of this.#waiting.splice(0)) wake();
    }, (error) => {
      if (process.isOver) return;
      const why = error instanceof Error ? error.message : String(error);
      this.logged.push(`error Start failed ${why}`);
      this.options.note(`${process.name} cannot start: ${why}`);
      // A store that fails while a process starts ends it; another one is started.
      this.crash(process, why);
    });
  }

  #worldOf(process: SimulatedProcess, disk: SimulatedDisk): DiskWorld {
    const { dice, note } = this.options;
    const { shard } = disk.use;
    const write = `${process.name}, a write to ${shard === undefined ? "read" : `shard ${shard}`}`;
    return {
      clock: this.options.clock,
      fault: () => {
        if (dice.happens("clock")) this.#setClock(dice.clockOffMs());
        if (dice.happens("repeated")) this.#repeat(disk);
        const fault = dice.write();
        if (fault !== "ok") note(`${write}: ${fault}`);
        return fault;
      },
      delayMs: () => dice.delayMs(),
      isLate: () => {
        const isLate = dice.happens("late");
        if (isLate) note(`${write}: late`);
        return isLate;
      },
      lateMs: () => dice.random() * LATE_MS_MAX,
      isRefused: (statements) => {
        const { refused } = this.options;
        if (refused === undefined || shard === undefined || !hasText(statements, refused)) return false;
        dice.count("refused");
        note(`${write}: refused`);
        return true;
      },
      crash: () => this.crash(process),
      pause: () => this.#pause(process),
    };
  }

  #setClock(offMs: number): void {
    this.options.note(`the clock is set ${offMs / 1_000} s off`);
    this.options.clock.setOff(offMs);
  }

  /** Something on its way to another shard arrives once more, when it likes. */
  #repeat(disk: SimulatedDisk): void {
    const place = this.options.dice.random();
    const delayMs = this.options.dice.random() * REPEATED_MS_MAX;
    disk.look({ sql: "SELECT shard, message FROM outbox ORDER BY seq" }).then((rows) => {
      const [shard, message] = rows[Math.floor(place * rows.length)] ?? [];
      if (message === undefined) return;
      this.options.clock.after(delayMs, () => {
        const target = this.newest?.isPaused ? undefined : this.newest?.runtime?.shards[Number(shard)];
        if (!target?.isServing) return;
        this.options.dice.count("repeated");
        this.options.note(`comes to shard ${shard} once more: ${message}`);
        try {
          target.submit(JSON.parse(String(message)), { durable: true, named: true });
        } catch (error) {
          // There is no room for it: it came once before, or the relay sends it again.
          if (!(error instanceof FolioError)) throw error;
        }
      });
    }, () => {}); // it is no shard's disk
  }

  /** As an operator's tools do: a process that has lost its shards, or cannot get at them, is replaced. */
  #supervise(): void {
    let suspect: SimulatedProcess | undefined;
    const look = () => {
      const newest = this.newest;
      const isWell = !newest || newest.isPaused || (newest.runtime?.isReady ?? false);
      if (!isWell && newest === suspect) this.crash(newest);
      suspect = isWell ? undefined : newest;
      if (this.#processes.length > 0) this.options.clock.after(SUPERVISION_MS, look);
    };
    this.options.clock.after(SUPERVISION_MS, look);
  }
}

function hasText(statements: readonly Statement[], text: string): boolean {
  return statements.some(({ args = [] }) =>
    args.some((value) => typeof value === "string" && value.includes(text))
  );
}
