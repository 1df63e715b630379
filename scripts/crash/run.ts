import { checkAll } from "./checks.ts";
import { type PlanOptions, Plans, type RoundPlan } from "./plan.ts";
import { checkCheckpoints } from "./read_model_check.ts";
import type { Server } from "./server.ts";
import { Siege, type SiegeOptions } from "./siege.ts";
import type { Violations } from "./violations.ts";
import { Works } from "./works.ts";

export interface CrashOptions extends PlanOptions, SiegeOptions {
  readonly rounds: number;
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
  /** Events that the archives had in the end. */
  readonly archived: number;
}

/** Of the kills, those after which the files are looked into before the next start. */
const LOOK_SHARE = 0.3;

/** Kills the server under load, starts it again and checks, many times, on a folder of its own. */
export function runCrashes(options: CrashOptions): Promise<CrashReport> {
  return Siege.lay(options, (siege) => new Crashes(siege, options).run());
}

class Crashes {
  readonly #plans: Plans;
  readonly #works: Works;
  readonly #points: Record<string, number> = {};
  #clocksSet = 0;
  #kills = 0;

  constructor(private readonly siege: Siege, private readonly options: CrashOptions) {
    this.#plans = new Plans(siege.random, options);
    this.#works = new Works(siege.checked);
  }

  async run(): Promise<CrashReport> {
    const { rounds, secondsMax, say } = this.options;
    const { violations, ledger, history } = this.siege;
    const startedAt = performance.now();
    for (let round = 1; round <= rounds && violations.count === 0; round++) {
      if (secondsMax !== undefined && performance.now() - startedAt > secondsMax * 1_000) break;
      say(`round ${round}: ${await this.#round()}`);
    }
    if (violations.count === 0) say(`end: ${await this.siege.end()}`);
    return {
      violations,
      kills: this.#kills,
      points: this.#points,
      clocksSet: this.#clocksSet,
      acknowledged: ledger.acknowledged.size,
      unknown: ledger.unknown,
      repeated: ledger.repeated,
      events: history.count,
      forwards: history.forwards,
      echoes: history.echoes.count,
      replays: history.echoes.replays,
      rebuilds: this.#works.rebuilds,
      sagas: history.moves.ended,
      timers: history.alarms.rung,
      archived: this.siege.archived,
      connections: this.siege.connections,
    };
  }

  /** Start, check, load, kill. @returns What was done. */
  async #round(): Promise<string> {
    const { folder, random, violations } = this.siege;
    const plan = this.#plans.next();
    if (plan.ordeal && plan.ordeal.clockOffMs.some((offMs) => offMs !== 0)) this.#clocksSet++;
    const server = this.siege.start(plan.ordeal);
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
      await this.siege.kill(server);
      this.#kills++;
      if (random.chance(LOOK_SHARE)) await checkCheckpoints(folder, this.options.shards, violations);
    }
  }

  /** From the moment it serves on. */
  async #live(server: Server, url: string, plan: RoundPlan): Promise<string> {
    const { isChecked, acknowledged, ordeal } = plan;
    const { readGate, loadGate, ledger, violations, checked } = this.siege;
    readGate.open(url);
    if (isChecked) await checkAll(url, checked);
    if (violations.count > 0) return "found wanting";
    const atWork = ordeal?.kill ? await this.#works.begin(url) : "";
    if (acknowledged > 0) {
      const reached = ledger.reached(acknowledged);
      loadGate.open(url);
      await Promise.race([reached, server.ended, violations.found]);
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
}
