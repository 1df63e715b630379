import type { Limits } from "../../src/config.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { RecordedEvent } from "../../src/core/event.ts";
import type { Observer } from "../../src/core/observer.ts";
import type { MessageRecord } from "../../src/core/message.ts";
import type { Message } from "../../src/core/message.ts";
import { Activities } from "../../src/processors/activities.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import { Runtime } from "../../src/runtime/runtime.ts";
import { LocalEngine } from "../../src/store/engine.ts";
import { readLog } from "../../src/store/events.ts";
import { readMessagesById } from "../../src/store/messages.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { FaultyEngine } from "./faulty_engine.ts";
import { MemoryDatabase } from "./memory_database.ts";

export interface WorldOptions {
  readonly modules: readonly AnyModule[];
  readonly shards?: number;
  readonly limits?: Partial<Limits>;
  readonly seed?: number;
  readonly observer?: Observer;
  /** Folio's own modules, made anew for each life. */
  readonly builtIn?: () => readonly AnyModule[];
}

/** A store in memory, and the runtime that runs on it now. Time stands still unless `clock` is advanced. */
export class World {
  readonly clock = new VirtualClock();
  readonly databases: MemoryDatabase[] = [];
  /** Of the present runtime, one a shard. */
  engines: FaultyEngine[] = [];
  /** Told of the engines of the next runtime, before it uses them. */
  beforeStart: (engines: readonly FaultyEngine[]) => void = () => {};
  /** What has been logged, as `level message`. */
  readonly logged: string[] = [];
  #runtime: Runtime | undefined;
  #activities: Activities | undefined;
  readonly #ids;
  #life = { isOver: false };

  private constructor(private readonly options: WorldOptions) {
    this.#ids = seededIds(options.seed ?? 1);
  }

  static async start(options: WorldOptions): Promise<World> {
    const world = new World(options);
    for (let shard = 0; shard < (options.shards ?? 1); shard++) world.databases.push(new MemoryDatabase());
    await world.#start(options.modules);
    return world;
  }

  get runtime(): Runtime {
    if (!this.#runtime) throw new Error("No runtime has been started");
    return this.#runtime;
  }

  get activities(): Activities {
    if (!this.#activities) throw new Error("No runtime has been started");
    return this.#activities;
  }

  /** Engine of the shard that an actor lives in. */
  engineOf(actor: string): FaultyEngine {
    return at(this.engines, this.runtime.shardOf(actor).number);
  }

  databaseOf(actor: string): MemoryDatabase {
    return at(this.databases, this.runtime.shardOf(actor).number);
  }

  /** Stops the runtime in good order and starts another one on the same store. */
  async restart(modules = this.options.modules): Promise<void> {
    this.activities.stop();
    await this.runtime.stop();
    this.#life.isOver = true;
    await this.#start(modules);
  }

  /** As if the process had been killed: what is on its way never arrives. Another one starts. */
  async crash(modules = this.options.modules): Promise<void> {
    for (const engine of this.engines) engine.kill();
    this.#life.isOver = true;
    await this.#start(modules);
  }

  /** Resolves when all that needs no time to pass is done. */
  settle(): Promise<void> {
    return this.clock.settle();
  }

  /** All events of all shards, shard by shard, in their order. */
  async events(): Promise<RecordedEvent[]> {
    const everything = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 1_000_000, bytesMax: Infinity };
    const lists = this.databases.map((database, shard) => readLog(database, shard, everything));
    return (await Promise.all(lists)).flatMap(({ events }) => events);
  }

  /** The row of a message, if it has one. */
  async message(id: string, actor?: string): Promise<MessageRecord | undefined> {
    const lists = await Promise.all(
      this.databases.map((database, shard) => readMessagesById(database, shard, id)),
    );
    return lists.flat().find((record) => actor === undefined || record.actor === actor);
  }

  /** What waits to go to other shards, in the order sent, shard by shard. */
  async outbox(): Promise<{ from: number; to: number; message: Message }[]> {
    const lists = await Promise.all(this.databases.map(async (database, from) => {
      const rows = await database.look("SELECT shard, message FROM outbox ORDER BY seq");
      return rows.map(([to, message]) => ({
        from,
        to: Number(to),
        message: JSON.parse(String(message)) as Message,
      }));
    }));
    return lists.flat();
  }

  async #start(modules: readonly AnyModule[]): Promise<void> {
    const life = this.#life = { isOver: false };
    const clock: Clock = {
      now: () => this.clock.now(),
      elapsed: () => this.clock.elapsed(),
      after: (delayMs, callback) => this.clock.after(delayMs, () => life.isOver || callback()),
      soon: (callback) => this.clock.soon(() => life.isOver || callback()),
    };
    const stores = await Promise.all(this.databases.map(async (database, shard) => {
      const names = { name: `memory-${shard}`, shard, shards: this.databases.length, isFile: false };
      const { engine: _, ...store } = await openShardStore(database, names);
      return { ...store, engine: new FaultyEngine(new LocalEngine(database)) };
    }));
    this.engines = stores.map(({ engine }) => engine);
    this.beforeStart(this.engines);
    const { limits, observer } = this.options;
    const log = (level: string, message: string, fields?: object) => {
      this.logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
    const builtIn = this.options.builtIn?.();
    this.#runtime = await Runtime.start({
      modules,
      builtIn,
      stores,
      clock,
      ids: this.#ids,
      limits,
      log,
      observer,
    });
    this.#activities = new Activities(this.#runtime);
    this.#activities.start();
  }
}

/** The element there, which must be there. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list.at(index);
  if (found === undefined) throw new RangeError(`There is nothing at ${index} of ${list.length}`);
  return found;
}

/** A promise's present state, for a promise that may be waiting: look after `settle`. */
export function watch<T>(
  promise: Promise<T>,
): { state: "waiting" | "resolved" | "rejected"; value?: T; error?: unknown } {
  const watched: { state: "waiting" | "resolved" | "rejected"; value?: T; error?: unknown } = {
    state: "waiting",
  };
  promise.then(
    (value) => Object.assign(watched, { state: "resolved", value }),
    (error) => Object.assign(watched, { state: "rejected", error }),
  );
  return watched;
}

/** The code of the error that a promise rejects with, or what it resolved with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { resolved: await promise };
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}
