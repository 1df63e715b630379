import { onTestFinished } from "vitest";
import { z } from "zod";
import type { Limits } from "../../src/config.ts";
import type { RecordedEvent } from "../../src/core/event.ts";
import { type AnyProjection, projection, query, type Write } from "../../src/core/projection.ts";
import type { SourceEvent } from "../../src/core/subscription.ts";
import { Projections } from "../../src/processors/projections.ts";
import { QueryRunner } from "../../src/processors/query_runner.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import { openReadStore } from "../../src/store/shard_store.ts";
import { ledger } from "../support/actors.ts";
import { World } from "../support/world.ts";
import { type FaultyDatabase, SharedDatabase } from "./faulty_database.ts";

type Handler = (write: Write, event: SourceEvent<{ n: number }>) => void;

/** Not idempotent on purpose: an event that is handled twice shows in the count, one that is lost too. */
const add: Handler = (write, event) =>
  write(
    `INSERT INTO sums VALUES (?1, ?2, 1, ?3)
      ON CONFLICT (ledger) DO UPDATE SET sum = sum + ?2, count = count + 1, trail = trail || ',' || ?3`,
    [event.key, event.payload.n, String(event.payload.n)],
  );

/** Sums of ledgers, with how many numbers and which. */
export function sums(
  options: { name?: string; version?: number; tables?: readonly string[]; on?: Handler } = {},
): AnyProjection {
  const row = z.object({ ledger: z.string(), sum: z.int(), count: z.int() });
  const all = `SELECT ledger, sum, count FROM sums`;
  return projection(options.name ?? "sums", {
    version: options.version ?? 1,
    from: [ledger],
    tables: options.tables ?? [
      `CREATE TABLE sums (ledger TEXT PRIMARY KEY, sum INTEGER NOT NULL, count INTEGER NOT NULL, trail TEXT)`,
      `CREATE INDEX sums_by_sum ON sums (sum)`,
    ],
    on: { "ledger/Added": options.on ?? add },
    queries: {
      "all": query(z.object({}), row, () => [`${all} ORDER BY ledger`]),
      "of": query(
        z.object({ ledger: z.string() }),
        row,
        ({ ledger }) => [`${all} WHERE ledger = ?`, [ledger]],
      ),
      "at-least": query(
        z.object({ sum: z.coerce.number().int() }),
        row,
        ({ sum }) => [`${all} WHERE sum >= ? ORDER BY sum DESC, ledger`, [sum]],
      ),
    },
  });
}

/** Adds as `sums` does, but throws at a number. */
export const throwsAt = (n: number): Handler => (write, event) => {
  add(write, event);
  if (event.payload.n === n) throw new Error(`cannot take ${n}, as planned`);
};

export interface ReadWorldOptions {
  readonly modules?: readonly AnyModule[];
  readonly shards?: number;
  readonly limits?: Partial<Limits>;
}

/** Shards and a read database that outlive their processes, and the projections of the present one. */
export class ReadWorld {
  readonly shared = new SharedDatabase();
  database: FaultyDatabase;
  #projections: Projections | undefined;

  private constructor(readonly world: World, private modules: readonly AnyModule[]) {
    this.database = this.shared.connect();
  }

  static async start(options: ReadWorldOptions = {}): Promise<ReadWorld> {
    const modules = options.modules ?? [ledger, sums()];
    const limits = options.limits ? { limits: options.limits } : {};
    const world = await World.start({ modules, shards: options.shards ?? 1, ...limits });
    const read = new ReadWorld(world, modules);
    await read.#open();
    onTestFinished(() => read.database.kill());
    return read;
  }

  get projections(): Projections {
    if (!this.#projections) throw new Error("No projections have been started");
    return this.#projections;
  }

  get clock() {
    return this.world.clock;
  }

  get logged(): readonly string[] {
    return this.world.logged;
  }

  /** Ends this process in good order, and starts another one. */
  async restart(modules = this.modules): Promise<void> {
    await this.projections.stop();
    await this.world.restart(modules);
    this.modules = modules;
    await this.#open();
  }

  /** Kills this process, and starts another one. */
  async crash(modules = this.modules): Promise<void> {
    this.database.kill();
    await this.world.crash(modules);
    this.modules = modules;
    await this.#open();
  }

  /** Records numbers in a ledger, all of them in one commit. */
  async add(key: string, ...numbers: number[]): Promise<string> {
    const results = await Promise.all(
      numbers.map((n) => this.world.runtime.ask(ledger.ref(key).add({ n }))),
    );
    return results.at(-1)?.token ?? "";
  }

  /** Resolves when all that needs no time to pass is done, and no build is under way. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await this.clock.settle();
  }

  /** The rows of `sums`, whichever tables serve. */
  async rows(name = "sums", table = "sums"): Promise<unknown[]> {
    const [row] = await this.shared.look(`SELECT generation FROM projections WHERE name = ?`, name);
    return await this.shared.look(`SELECT * FROM ${table}__${row?.[0]} ORDER BY 1`);
  }

  /** What the rows must be: a fold over the log by other code. */
  async fold(until: (event: RecordedEvent) => boolean = () => true): Promise<unknown[]> {
    const rows = new Map<string, [string, number, number, string]>();
    for (const event of await this.world.events()) {
      if (!event.actor.startsWith("ledger/") || !until(event)) continue;
      const key = event.actor.slice("ledger/".length);
      const n = (event.payload as { n: number }).n;
      const [, sum, count, trail] = rows.get(key) ?? [key, 0, 0, ""];
      rows.set(key, [key, sum + n, count + 1, trail === "" ? String(n) : `${trail},${n}`]);
    }
    return [...rows.values()].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Tables in the read database that are a projection's. */
  async tables(): Promise<string[]> {
    const rows = await this.shared.look(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '*__[0-9]*' ORDER BY name`,
    );
    return rows.map(([name]) => String(name));
  }

  query(
    name: string,
    input: Record<string, unknown> = {},
    options: { atLeast?: string; waitMs?: number } = {},
  ) {
    const { atLeast, waitMs = 1_000 } = options;
    return this.projections.query("sums", name, input, {
      atLeast: atLeast === undefined ? undefined : this.world.runtime.parseToken(atLeast),
      waitMs,
    });
  }

  status(name = "sums") {
    const found = this.projections.list().find((status) => status.name === name);
    if (!found) throw new Error(`There is no projection ${name}`);
    return found;
  }

  async #open(): Promise<void> {
    const { runtime } = this.world;
    const database = this.database = this.shared.connect();
    await openReadStore(database, { name: "read.db", shards: runtime.shards.length, isFile: false });
    const queries = new QueryRunner(runtime, database);
    this.#projections = new Projections(runtime, database, queries);
    await this.projections.start();
    await this.settle();
  }
}
