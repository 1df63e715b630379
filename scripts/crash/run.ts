import { checkAll, type Checked, checkLog } from "./checks.ts";
import type { SeenEvent } from "./fold.ts";
import { Gate } from "./gate.ts";
import { History } from "./history.ts";
import type { Ordeal } from "./kill_points.ts";
import { Ledger } from "./ledger.ts";
import { createSenders } from "./load.ts";
import { type PlanOptions, Plans, type RoundPlan } from "./plan.ts";
import { Random } from "./random.ts";
import { checkCheckpoints, checkNoDrift } from "./read_model_check.ts";
import { Reader } from "./reader.ts";
import { Server } from "./server.ts";
import { checkStore } from "./store_check.ts";
import { Violations } from "./violations.ts";
import { Works } from "./works.ts";

export interface CrashOptions extends PlanOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly shards: number;
  /** Whether the logs have hash chains. */
  readonly chain: boolean;
  /** No round is begun after this time. */
  readonly secondsMax?: number;
  readonly say: (line: string) => void;
}

export interface CrashReport {
  readonly violations: Violations;
  readonly kills: number;
  /** Of the kills, those at points of the way of a commit: `written shard`. */
  readonly points: Readonly<Record<string, number>>;
  /** Lives of the server whose clock was set. */
  readonly clocksSet: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly repeated: number;
  readonly events: number;
  readonly forwards: number;
  readonly connections: number;
  /** Messages that a reactor has sent, in its own time and in so many replays. */
  readonly echoes: number;
  readonly replays: number;
  /** Rebuilds of a projection that were begun. */
  readonly rebuilds: number;
  /** Sagas that have come to their ends, and timers that have rung. */
  readonly sagas: number;
  readonly timers: number;
}

const MODULES = "./test/crash/modules/mod.ts";
/** Of the kills, those after which the files are looked into before the next start. */
const LOOK_SHARE = 0.3;

/** Kills the server under load, starts it again and checks, many times, on a folder of its own. */
export async function runCrashes(options: CrashOptions): Promise<CrashReport> {
  const folder = await Deno.makeTempDir({ prefix: "folio-crash-" });
  try {
    return await new Crashes(options, folder).run();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

class Crashes {
  readonly #random: Random;
  readonly #violations = new Violations();
  readonly #ledger = new Ledger();
  readonly #history = new History(this.#ledger, this.#violations);
  /** For readers: open while there is a server. */
  readonly #readGate = new Gate();
  /** For senders: open while there is to be load. */
  readonly #loadGate = new Gate();
  readonly #plans: Plans;
  readonly #points: Record<string, number> = {};
  #clocksSet = 0;
  #kills = 0;
  readonly #works: Works;

  constructor(private readonly options: CrashOptions, private readonly folder: string) {
    this.#random = new Random(options.seed);
    this.#plans = new Plans(this.#random, options);
    this.#works = new Works(this.#checked);
  }

  async run(): Promise<CrashReport> {
    const { rounds, seed, secondsMax, say } = this.options;
    const startedAt = performance.now();
    const readers = [
      this.#follow("/events", (event) => this.#history.take(event)),
      this.#followOne("counter/c0"),
    ];
    const random = (salt: number) => new Random(seed * 1_000 + salt);
    const field = {
      gate: this.#loadGate,
      ledger: this.#ledger,
      history: this.#history,
      violations: this.#violations,
    };
    const senders = createSenders({ ...field, random: random(1) }).map((sender) => sender.run());
    try {
      for (let round = 1; round <= rounds && this.#violations.count === 0; round++) {
        if (secondsMax !== undefined && performance.now() - startedAt > secondsMax * 1_000) break;
        say(`round ${round}: ${await this.#round()}`);
      }
      if (this.#violations.count === 0) say(`end: ${await this.#end()}`);
    } finally {
      for (const gate of [this.#loadGate, this.#readGate]) gate.end();
      await Promise.all([...senders, ...readers.map((reader) => reader.stop())]);
    }
    return {
      violations: this.#violations,
      kills: this.#kills,
      points: this.#points,
      clocksSet: this.#clocksSet,
      acknowledged: this.#ledger.acknowledged.size,
      unknown: this.#ledger.unknown,
      repeated: this.#ledger.repeated,
      events: this.#history.count,
      forwards: this.#history.forwards,
      echoes: this.#history.echoes.count,
      replays: this.#history.echoes.replays,
      rebuilds: this.#works.rebuilds,
      sagas: this.#history.moves.ended,
      timers: this.#history.alarms.rung,
      connections: readers.reduce((sum, { connections }) => sum + connections, 0),
    };
  }

  /** Start, check, load, kill. @returns What was done. */
  async #round(): Promise<string> {
    const plan = this.#plans.next();
    if (plan.ordeal && plan.ordeal.clockOffMs.some((offMs) => offMs !== 0)) this.#clocksSet++;
    const server = this.#start(plan.ordeal);
    try {
      if (plan.startMs !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, plan.startMs));
        return `killed ${plan.startMs} ms after its start`;
      }
      const url = await server.ready();
      if (url !== undefined) return await this.#live(server, url, plan);
      await server.ended;
      return server.hasEndedItself ? this.#ended(plan, "while it started") : "did not start";
    } finally {
      // First nobody is sent there any more: whoever fails from now on waits for the next server.
      this.#loadGate.close();
      this.#readGate.close();
      await server.kill();
      this.#kills++;
      if (this.#random.chance(LOOK_SHARE)) {
        await checkCheckpoints(this.folder, this.options.shards, this.#violations);
      }
    }
  }

  /** From the moment it serves on. */
  async #live(server: Server, url: string, plan: RoundPlan): Promise<string> {
    const { isChecked, acknowledged, ordeal } = plan;
    this.#readGate.open(url);
    if (isChecked) await checkAll(url, this.#checked);
    if (this.#violations.count > 0) return "found wanting";
    const atWork = ordeal?.kill ? await this.#works.begin(url) : "";
    if (acknowledged > 0) {
      const reached = this.#ledger.reached(acknowledged);
      this.#loadGate.open(url);
      await Promise.race([reached, server.ended, this.#violations.found]);
    }
    if (server.hasEndedItself) return this.#ended(plan, `under load${atWork}`);
    const how = isChecked ? "checked" : "not checked";
    const last = ordeal?.kill ? atWork : await this.#works.begin(url);
    return `${how}, then killed after ${acknowledged} acknowledged commands${last}`;
  }

  #ended({ ordeal }: RoundPlan, when: string): string {
    const { point, database, at } = ordeal?.kill ?? {};
    const place = `${point} ${database}`;
    this.#points[place] = (this.#points[place] ?? 0) + 1;
    return `ended at ${place}, write ${at}, ${when}`;
  }

  /** Starts once more, checks everything, and stops in good order. */
  async #end(): Promise<string> {
    const server = this.#start();
    try {
      const url = await server.ready();
      if (url === undefined) return "did not start";
      this.#readGate.open(url);
      await checkAll(url, this.#checked);
      await checkLog(url, this.#checked);
      await checkNoDrift(url, this.#checked);
      this.#readGate.close();
      const code = await server.stop();
      if (code !== 0) this.#violations.add(`Server ended with code ${code} when told to stop`);
      await checkStore(this.folder, this.options, this.#history, this.#violations);
      await checkCheckpoints(this.folder, this.options.shards, this.#violations);
      return "checked everything once more";
    } finally {
      await server.kill();
    }
  }

  get #checked(): Checked {
    return {
      ledger: this.#ledger,
      history: this.#history,
      violations: this.#violations,
      random: this.#random,
    };
  }

  #start(ordeal?: Ordeal): Server {
    const { shards, chain } = this.options;
    return Server.start({ folder: this.folder, shards, chain, modules: MODULES, ordeal }, this.#violations);
  }

  #follow(path: string, take: (event: SeenEvent) => void): Reader {
    return new Reader(
      this.#readGate,
      path,
      new Random(this.options.seed * 1_000 + 2),
      this.#violations,
      take,
    );
  }

  /** Follows one actor's stream, of which only the versions are checked. */
  #followOne(actor: string): Reader {
    let version = 0;
    return this.#follow(`/actors/${actor}/events`, (event) => {
      if (event.version !== version + 1) {
        this.#violations.add(`Reader of ${actor} expected version ${version + 1}, but got ${event.version}`);
      }
      version = event.version;
    });
  }
}
