import { checkAll, type Checked, checkLog, QUIET_MS_MAX } from "./checks.ts";
import type { SeenEvent } from "./fold.ts";
import { Gate } from "./gate.ts";
import { History } from "./history.ts";
import type { Ordeal } from "./kill_points.ts";
import { Ledger } from "./ledger.ts";
import { createSenders } from "./load.ts";
import { Random } from "./random.ts";
import { checkCheckpoints, checkNoDrift } from "./read_model_check.ts";
import { Reader } from "./reader.ts";
import { Server } from "./server.ts";
import { settled } from "./settled.ts";
import { checkStore } from "./store_check.ts";
import { Violations } from "./violations.ts";
import { HranaServer } from "../../test/support/hrana/server.ts";

export interface SiegeOptions {
  readonly seed: number;
  readonly shards: number;
  /** Whether the logs have hash chains. */
  readonly chain: boolean;
  /** Whether a libSQL server has the store, which is not killed with ours (false). */
  readonly isRemote?: boolean | undefined;
}

const MODULES = "./test/crash/modules/mod.ts";

/** What all lives of a server on one folder have in common: who sends, who reads, and what they have seen. */
export class Siege {
  readonly random: Random;
  readonly violations = new Violations();
  readonly ledger = new Ledger();
  readonly history = new History(this.ledger, this.violations);
  /** For readers: open while there is a server. */
  readonly readGate = new Gate();
  /** For senders: open while there is to be load. */
  readonly loadGate = new Gate();
  /** Events that were found in archives in the end. */
  archived = 0;
  readonly #readers: readonly Reader[];
  readonly #senders: readonly Promise<void>[];

  private constructor(
    readonly folder: string,
    private readonly options: SiegeOptions,
    private readonly store: HranaServer | undefined,
  ) {
    this.random = new Random(options.seed);
    this.#readers = [
      this.#follow("/events", (event) => this.history.take(event)),
      this.#followOne("counter/c0"),
    ];
    const { loadGate: gate, ledger, history, violations } = this;
    const field = { gate, ledger, history, violations, random: this.#randomOf(1) };
    this.#senders = createSenders(field).map((sender) => sender.run());
  }

  /** Works on a folder of its own, which goes afterwards. */
  static async lay<T>(options: SiegeOptions, work: (siege: Siege) => Promise<T>): Promise<T> {
    const folder = await Deno.makeTempDir({ prefix: "folio-crash-" });
    const store = options.isRemote ? await HranaServer.start({ folder }) : undefined;
    // Its files, called as in a folder, so that they are checked as that is.
    if (store) await Deno.symlink("shard-read.db", `${folder}/read.db`);
    const siege = new Siege(folder, options, store);
    try {
      return await work(siege);
    } finally {
      for (const gate of [siege.loadGate, siege.readGate]) gate.end();
      await Promise.all([...siege.#senders, ...siege.#readers.map((reader) => reader.stop())]);
      await store?.stop();
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Connections that live readers have made. */
  get connections(): number {
    return this.#readers.reduce((sum, { connections }) => sum + connections, 0);
  }

  get checked(): Checked {
    const { ledger, history, violations, random } = this;
    return { ledger, history, violations, random };
  }

  start(ordeal?: Ordeal): Server {
    const { folder, store, violations, options: { shards, chain } } = this;
    const data = store ? `${store.url}/shard-{shard}` : folder;
    return Server.start({ data, shards, chain, modules: MODULES, ordeal }, violations);
  }

  /** Ends a life. First nobody is sent there any more: whoever fails from now on waits for the next server. */
  async kill(server: Server): Promise<void> {
    this.loadGate.close();
    this.readGate.close();
    await server.kill();
  }

  /** Starts once more, checks everything, and stops in good order. @returns What was done. */
  async end(): Promise<string> {
    const { folder, options, violations, checked } = this;
    const server = this.start({ clockOffMs: [0, 0] });
    try {
      const url = await server.ready();
      if (url === undefined) return "did not start";
      this.readGate.open(url);
      for (const what of await settled(url, folder, options, this.history, QUIET_MS_MAX)) {
        violations.add(`Still at work after ${QUIET_MS_MAX} ms: ${what}`);
      }
      await checkAll(url, checked);
      await checkLog(url, checked);
      await checkNoDrift(url, checked);
      this.readGate.close();
      const code = await server.stop();
      if (code !== 0) violations.add(`Server ended with code ${code} when told to stop`);
      this.archived = await checkStore(folder, options, this.history, violations);
      await checkCheckpoints(folder, options.shards, violations);
      return "checked everything once more";
    } finally {
      await server.kill();
    }
  }

  #randomOf(salt: number): Random {
    return new Random(this.options.seed * 1_000 + salt);
  }

  #follow(path: string, take: (event: SeenEvent) => void): Reader {
    return new Reader(this.readGate, path, this.#randomOf(2), this.violations, take);
  }

  /** Follows one actor's stream, of which only the versions are checked. */
  #followOne(actor: string): Reader {
    let version = 0;
    return this.#follow(`/actors/${actor}/events`, (event) => {
      if (event.version !== version + 1) {
        this.violations.add(`Reader of ${actor} expected version ${version + 1}, but got ${event.version}`);
      }
      version = event.version;
    });
  }
}
