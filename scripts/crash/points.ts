import { shardOf } from "../../src/core/shard_of.ts";
import { type KillPlace, killPlaces } from "./kill_points.ts";
import type { Answer, Command } from "./ledger.ts";
import { volleyOf } from "./load.ts";
import { readProjected, readRemains, textOf } from "./remains.ts";
import { getJson, sendCommand } from "./requests.ts";
import { SENDERS_MAX } from "./senders.ts";
import type { Server } from "./server.ts";
import { Siege, type SiegeOptions } from "./siege.ts";
import type { Violations } from "./violations.ts";

export interface PointsReport {
  readonly violations: Violations;
  /** Places at which the server has ended itself, in order: `written shard`. */
  readonly places: readonly string[];
  /** Commands of the load that were acknowledged meanwhile. */
  readonly acknowledged: number;
}

/** The command of whose commit the server has died, and what is known of it. */
interface Fate {
  readonly command: Command;
  readonly isKept: boolean;
  readonly answer: Answer;
}

/** Of the load, before the command that ends a life. */
const ACKNOWLEDGED = 30;
/** Well beyond what a machine with other work needs. */
const REACHED_MS_MAX = 20_000;
/** No timer rings in a commit that is being looked at, however slow it is; the last life's clock is ahead of it. */
const FUSE_MS = 1_800_000;
const LAST_OFF_MS = 3_600_000;
/** Time goes at half its speed in the end, until the clock has caught up: it is due after all else is done. */
const DELAY_MS = 1_500;
/** Places where the commit is on disk. */
const isKeptAt = new Set(["durable shard", "answered shard", "told shard", "written read", "durable read"]);
/** Those where its caller may have been answered. */
const isTold = new Set(["told shard", "written read", "durable read"]);

/**
 * Ends a server at each named point of one commit, which is known by what it writes, while other work goes on: so it
 * is known exactly what must be left of it, and what comes of the same command sent once more.
 */
export function runPoints(options: SiegeOptions): Promise<PointsReport> {
  return Siege.lay(options, (siege) => new Points(siege, options.shards).run());
}

class Points {
  readonly #places: string[] = [];
  #last: Fate | undefined;

  constructor(private readonly siege: Siege, private readonly shards: number) {}

  async run(): Promise<PointsReport> {
    const { violations, ledger, history } = this.siege;
    for (const [index, place] of killPlaces.entries()) {
      if (violations.count > 0) break;
      await this.#life(place, this.#volley((index + 1) * SENDERS_MAX - 1));
    }
    const late = this.#late();
    if (violations.count === 0) await this.#life(["durable", "shard"], late, LAST_OFF_MS);
    if (violations.count === 0) await this.siege.end();
    if (violations.count === 0 && !history.event(late.mark)) {
      violations.add(`${late.mark} was durable, and was never handled`);
    }
    return { violations, places: this.#places, acknowledged: ledger.acknowledged.size };
  }

  /** Starts, looks after the last life's command, and dies of another one. */
  async #life(place: KillPlace, command: Command, offMs = 0): Promise<void> {
    const [point, database] = place;
    const { readGate, loadGate, ledger, violations } = this.siege;
    const server = this.siege.start({
      kill: { point, database, at: command.actor },
      clockOffMs: [offMs, offMs],
    });
    try {
      const url = await server.ready();
      if (url === undefined) return;
      readGate.open(url);
      if (this.#last) await this.#checkLast(url, this.#last);
      const reached = ledger.reached(ACKNOWLEDGED);
      loadGate.open(url);
      await Promise.race([reached, server.ended, violations.found]);
      ledger.send(command);
      let answer = await sendCommand(url, command);
      while (answer.kind === "refused") {
        // Nothing of it was recorded. There is room again when nobody else is sent there.
        loadGate.close();
        answer = await sendCommand(url, command);
      }
      await endOf(server);
      const name = place.join(" ");
      if (!server.hasEndedItself) {
        return violations.add(`${name} was not reached by ${command.mark}: ${JSON.stringify(answer)}`);
      }
      this.#places.push(name);
      if (command.key === undefined) return ledger.lose(command);
      this.#last = { command, isKept: isKeptAt.has(name), answer };
      if (answer.kind !== "unknown" && !isTold.has(name)) {
        violations.add(`${command.mark} was answered ${JSON.stringify(answer)} before its point, ${name}`);
      }
      await this.#checkFiles(name, command);
    } finally {
      await this.siege.kill(server);
    }
  }

  /** All of the commit or nothing, in rows of every kind. */
  async #checkFiles(name: string, { actor, key = "", input }: Command): Promise<void> {
    const { folder, violations } = this.siege;
    const shard = shardOf(actor, this.shards);
    const found = await readRemains(`${folder}/shard-${shard}.db`, actor, key);
    if (isTold.has(name)) {
      // What follows has begun, and may be done; that it is done once shows in the end.
      if (!/^events [1-9]\d*, replies 1,/.test(found)) violations.add(`After ${name} there are ${found}`);
    } else {
      const heard = Array.isArray(input.to) ? input.to.map((listener) => `volley/${listener}`) : [];
      const targets = [`move/v${input.tag}`, ...heard];
      const outbox = targets.filter((target) => shardOf(target, this.shards) !== shard).length;
      const one = { events: 1, replies: 1, snapshots: 1, timers: 1 };
      // An activity is performed in the shard of who asks for it.
      const all = { ...one, messages: targets.length - outbox + 1, outbox };
      const expected = textOf(isKeptAt.has(name) ? all : {});
      if (found !== expected) violations.add(`After ${name} there are ${found}, not ${expected}`);
    }
    if (!name.endsWith("read")) return;
    const { inRow, behindCheckpoint } = await readProjected(folder, shard, actor);
    if (inRow === behindCheckpoint && (inRow > 0) === (name === "durable read")) return;
    violations.add(`After ${name} a row has ${inRow} events, and its checkpoint ${behindCheckpoint}`);
  }

  /** What the next server knows of it, and says when it is sent once more. */
  async #checkLast(url: string, { command, isKept, answer }: Fate): Promise<void> {
    const { ledger, history, violations } = this.siege;
    const { actor, key, mark } = command;
    const found = await getJson(`${url}/messages/${key}?actor=${encodeURIComponent(actor)}`);
    if (found?.status !== (isKept ? 200 : 404)) {
      violations.add(`${mark} was ${isKept ? "kept" : "lost"}, and is ${JSON.stringify(found)}`);
    }
    const again = await sendCommand(url, command);
    if (again.kind !== "done" || again.version !== 1) {
      return violations.add(`${mark} was sent once more, and answered ${JSON.stringify(again)}`);
    }
    if (answer.kind === "done" && answer.text !== again.text) {
      violations.add(`${mark} was answered ${answer.text}, and when repeated ${again.text}`);
    }
    ledger.acknowledge(command, again, history.event(mark) !== undefined);
  }

  /** Heard by an actor in each shard. */
  #volley(tag: number): Command {
    const listener = (shard: number): string => {
      for (let n = 0;; n++) if (shardOf(`volley/p${n}`, this.shards) === shard) return `p${n}`;
    };
    const to = Array.from({ length: this.shards }, (_, shard) => listener(shard));
    // No name is the beginning of another: the first write with it is the command's own.
    return volleyOf(tag, this.siege.history, { key: `fired-${tag}-`, to, afterMs: FUSE_MS });
  }

  /** Without a key: nobody asks again, and only the server knows that it is to be done. */
  #late(): Command {
    return {
      ...{
        actor: "counter/late",
        command: "increment",
        input: { by: 1 },
        mark: "counter/late Incremented 1",
      },
      ...{ mode: "delayed", key: undefined, order: undefined, delayMs: DELAY_MS },
    };
  }
}

/** Waits until a server is gone, and not for ever. */
async function endOf(server: Server): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, REACHED_MS_MAX);
  await Promise.race([server.ended, late.promise]);
  clearTimeout(timer);
}
