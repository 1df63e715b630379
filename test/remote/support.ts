import { onTestFinished } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { RecordedEvent } from "../../src/core/event.ts";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import type { Limits } from "../../src/config.ts";
import { readLog } from "../../src/store/events.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { sums } from "../projections/support.ts";
import { listener, source, tell } from "../reactors/support.ts";
import { ledger, sender } from "../support/actors.ts";
import { HranaServer } from "../support/hrana/server.ts";

/** Time that goes on fifty times as fast, so that waits between attempts cost little. A server is no virtual one. */
export function fastClock(): Clock {
  const begun = performance.now();
  const start = Date.UTC(2026, 0, 1);
  return {
    now: () => start + Math.floor((performance.now() - begun) * 50),
    elapsed: () => (performance.now() - begun) * 50,
    after: (delayMs, callback) => systemClock.after(delayMs / 50, callback),
    soon: (callback) => systemClock.soon(callback),
  };
}

export interface RemoteOptions {
  readonly shards?: number;
  readonly modules?: readonly AnyModule[];
  readonly limits?: Partial<Limits>;
}

/** A store on a server, and the runtimes that have run on it. */
export class RemoteWorld {
  readonly clock = fastClock();
  readonly #runtimes: OpenRuntime[] = [];
  #isOver = false;

  private constructor(
    readonly server: HranaServer,
    readonly folder: string,
    private readonly options: RemoteOptions,
  ) {}

  static async start(options: RemoteOptions = {}): Promise<RemoteWorld> {
    const folder = Deno.makeTempDirSync({ prefix: "folio-remote-" });
    const server = await HranaServer.start({ folder });
    const world = new RemoteWorld(server, folder, options);
    onTestFinished(() => world.end());
    return world;
  }

  get shards(): number {
    return this.options.shards ?? 1;
  }

  /** As several databases even where there is one shard, when the test asks for several. */
  get data(): string {
    return this.shards > 1 ? `${this.server.url}/{shard}` : this.server.url;
  }

  /** Another process on the store, as often as it takes to start it. */
  async open(attemptsMax = 1): Promise<OpenRuntime> {
    for (let attempt = 1;; attempt++) {
      try {
        const runtime = await createRuntime({
          modules: this.options.modules ?? [ledger, sender, sums(), source, listener, tell],
          data: this.data,
          shards: this.shards,
          clock: this.clock,
          // Five seconds of this clock are a tenth of one.
          limits: { storeAnswerMsMax: 2_000, queryMsMax: 1_000_000, ...this.options.limits },
        });
        this.#runtimes.push(runtime);
        return runtime;
      } catch (error) {
        if (attempt >= attemptsMax) throw error;
      }
    }
  }

  /** All events, shard by shard, from the server's own files. */
  async events(): Promise<RecordedEvent[]> {
    const lists: (readonly RecordedEvent[])[] = [];
    for (let shard = 0; shard < this.shards; shard++) {
      const database = this.#file(this.shards > 1 ? String(shard) : "default");
      const everything = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 1_000_000, bytesMax: Infinity };
      lists.push((await readLog(database, shard, everything)).events);
      await database.close();
    }
    return lists.flat();
  }

  /** What a query on the server's own file of one database gives. */
  async look(name: string, sql: string) {
    const database = this.#file(name);
    try {
      return await database.execute({ sql });
    } finally {
      await database.close();
    }
  }

  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.server.fault = () => "ok";
    for (const runtime of this.#runtimes) await runtime[Symbol.asyncDispose]();
    await this.server.stop();
    Deno.removeSync(this.folder, { recursive: true });
  }

  #file(name: string) {
    return openLibsqlDatabase({ url: `file:${this.folder}/${name}.db` });
  }
}

/** Looks again until it is so. Each look asks the store; it gives up after many. */
export async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (let look = 0; look < 3_000; look++) {
    if (await isSo()) return;
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
  }
  throw new Error(`It never came to this: ${what}`);
}
