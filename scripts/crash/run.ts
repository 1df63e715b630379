import { checkAll, type Checked, checkLog } from "./checks.ts";
import type { SeenEvent } from "./fold.ts";
import { Gate } from "./gate.ts";
import { History } from "./history.ts";
import { Ledger } from "./ledger.ts";
import { createSenders } from "./load.ts";
import { Random } from "./random.ts";
import { checkCheckpoints, checkNoDrift, positionsOf } from "./read_model_check.ts";
import { Reader } from "./reader.ts";
import { getJson } from "./requests.ts";
import { Server } from "./server.ts";
import { checkStore } from "./store_check.ts";
import { Violations } from "./violations.ts";

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly shards: number;
  /** A round's kill comes after so many acknowledged commands, at the most. */
  readonly acknowledgedMax: number;
  /** No round is begun after this time. */
  readonly secondsMax?: number;
  /** Whether some servers are killed while they start, after a random time. */
  readonly killsStarting: boolean;
  readonly say: (line: string) => void;
}

export interface CrashReport {
  readonly violations: Violations;
  readonly kills: number;
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
}

const MODULES = "./test/crash/modules/mod.ts";
/** So that some checks come after several kills. */
const UNCHECKED_SHARE = 0.25;
const STARTING_SHARE = 0.15;
const STARTING_MS_MAX = 600;
/** Of the rounds: those that end while a projection is being rebuilt, and while a reactor is being replayed. */
const REBUILD_SHARE = 0.4;
const REPLAY_SHARE = 0.2;
/** Between the beginning of either and the kill. */
const AT_WORK_MS_MAX = 150;
/** Of the log of each shard, what a replay goes back. */
const REPLAYED_EVENTS = 300;
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
  #kills = 0;
  #rebuilds = 0;

  constructor(private readonly options: CrashOptions, private readonly folder: string) {
    this.#random = new Random(options.seed);
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
      acknowledged: this.#ledger.acknowledged.size,
      unknown: this.#ledger.unknown,
      repeated: this.#ledger.repeated,
      events: this.#history.count,
      forwards: this.#history.forwards,
      echoes: this.#history.echoes.count,
      replays: this.#history.echoes.replays,
      rebuilds: this.#rebuilds,
      connections: readers.reduce((sum, { connections }) => sum + connections, 0),
    };
  }

  /** Start, check, load, kill. @returns What was done. */
  async #round(): Promise<string> {
    const { acknowledgedMax, killsStarting } = this.options;
    const isStartKilled = killsStarting && this.#random.chance(STARTING_SHARE);
    const isChecked = !this.#random.chance(UNCHECKED_SHARE);
    // Many rounds end soon after their start: what was left by the last one is then still being worked on.
    const target = this.#random.chance(0.2) ? 0 : Math.ceil(acknowledgedMax * this.#random.next() ** 2);
    const server = this.#start();
    try {
      if (isStartKilled) {
        const delayMs = this.#random.int(0, STARTING_MS_MAX);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        return `killed ${delayMs} ms after its start`;
      }
      const url = await server.ready();
      if (url === undefined) return "did not start";
      this.#readGate.open(url);
      if (isChecked) await checkAll(url, this.#checked);
      if (this.#violations.count > 0) return "found wanting";
      if (target > 0) {
        const reached = this.#ledger.reached(target);
        this.#loadGate.open(url);
        await Promise.race([reached, server.ended, this.#violations.found]);
      }
      const atWork = await this.#setToWork(url);
      return `${
        isChecked ? "checked" : "not checked"
      }, then killed after ${target} acknowledged commands${atWork}`;
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

  /** Lets the server rebuild or replay, and leaves it to that for a moment. @returns What it is at. */
  async #setToWork(url: string): Promise<string> {
    const works = [];
    if (this.#random.chance(REBUILD_SHARE)) {
      const found = await getJson(`${url}/projections/tallies/rebuild`, { method: "POST" });
      if (found?.status !== 202) this.#violations.add(`Rebuild was answered ${JSON.stringify(found)}`);
      this.#rebuilds++;
      works.push("rebuilding");
    }
    if (this.#random.chance(REPLAY_SHARE)) {
      const { echoes } = this.#history;
      const from = this.#history.tokenBefore(REPLAYED_EVENTS);
      const reached = echoes.reached();
      const path = `/reactors/echoes/replay?resend=true${from === "" ? "" : `&from=${from}`}`;
      const found = await getJson(`${url}${path}`, { method: "POST" });
      // 409: the one of an earlier round is not over.
      if (found?.status !== 202 && found?.status !== 409) {
        this.#violations.add(`Replay was answered ${JSON.stringify(found)}`);
      }
      const { run } = (found?.body.replay ?? {}) as { run?: number };
      if (found?.status === 202 && run !== undefined) echoes.promise(run, positionsOf(from), reached);
      works.push("replaying");
    }
    if (works.length === 0) return "";
    const delayMs = this.#random.int(0, AT_WORK_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    return `, ${delayMs} ms after it began ${works.join(" and ")}`;
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
      await checkStore(this.folder, this.options.shards, this.#history, this.#violations);
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

  #start(): Server {
    const { shards } = this.options;
    return Server.start({ folder: this.folder, shards, modules: MODULES }, this.#violations);
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
