import {
  DiskPool,
  type FaultCounts,
  type Faults,
  seededIds,
  simulate,
  type Simulation,
} from "../../src/testing/mod.ts";
import { Archivist } from "./archivist.ts";
import { findViolations } from "./checks.ts";
import { History, runClient } from "./client.ts";
import { examModules, UNWRITABLE } from "./modules.ts";
import { Workload } from "./workload.ts";

/** How hard an exam is. */
export interface ExamOptions {
  readonly seed: number;
  /** Calls of each client; what shrinking makes less. Chosen by the seed unless given. */
  readonly calls?: number | undefined;
  readonly clients?: number | undefined;
}

/** What came of one seed. */
export interface ExamResult {
  readonly seed: number;
  readonly calls: number;
  readonly clients: number;
  readonly violations: readonly string[];
  readonly faults: FaultCounts;
  /** Messages that were handled, and calls that were answered without one. */
  readonly turns: number;
  readonly events: number;
  /** Events that were archived while clients went on, as far as a process has lived to say so. */
  readonly archived: number;
  /** Tries of clients that were refused because a mailbox was full. */
  readonly refused: number;
  /** What happened, and the log, as one text: the same seed gives the same. */
  readonly trace: string;
}

type Purse = ReturnType<typeof examModules>["purse"];

const CALLS_MAX = 12;
const CLIENTS_MAX = 4;
/** Between the calls of a client. */
const PAUSE_MS_MAX = 3_000;
const HASTY_MS_MAX = 100;
/** Where mailboxes are small. */
const MAILBOX_DEPTH_MAX = 1;
/** More than all delays at half the speed of time, and what follows from them. */
const REST_MS = 240_000;

/** How likely each fault is where a seed has it at all. */
const worst: Required<Faults> = {
  ...{ lost: 0.1, unanswered: 0.1, crash: 0.08, takeover: 0.08, late: 0.05, clock: 0.1, repeated: 0.5 },
  ...{ diskMsMax: 40, activity: 0.4, hanging: 0.3, slow: 0.3 },
};

const disks = new DiskPool();
// Made once: to make schemas takes as long as much of a run. So there is one exam at a time on a thread.
const press = { sheets: new Map<string, number>() };
const [plain, archiving] = [examModules(press), examModules(press, true)];

/** Runs clients against the engine under faults that the seed chooses, and holds what they saw against the log. */
export async function exam(options: ExamOptions): Promise<ExamResult> {
  try {
    return await run(options);
  } catch (error) {
    const violations = [`cannot be run: ${error instanceof Error ? error.stack : error}`];
    const { seed, calls, clients } = planOf(options);
    return {
      seed,
      calls,
      clients,
      violations,
      faults: {},
      turns: 0,
      events: 0,
      archived: 0,
      refused: 0,
      trace: "",
    };
  }
}

/** What the seed chooses before anything runs. */
function planOf({ seed, ...chosen }: ExamOptions) {
  const { random } = seededIds(seed ^ 0xface);
  const upTo = (max: number) => 1 + Math.floor(random() * max);
  const shards = upTo(3);
  const faults = Object.fromEntries(
    // Some seeds have one kind of fault only, some have all.
    Object.entries(worst).map(([kind, most]) => [kind, random() < 0.6 ? most * random() : 0]),
  );
  const [ownClients, ownCalls] = [upTo(CLIENTS_MAX), upTo(CALLS_MAX)];
  const { clients = ownClients, calls = ownCalls } = chosen;
  return { seed, shards, faults, clients, calls };
}

async function run(options: ExamOptions): Promise<ExamResult> {
  const { seed, shards, faults, clients, calls } = planOf(options);
  press.sheets.clear();
  const limits = {
    // Clients are too few for a commit to follow one that is on its way, unless it is let,
    ...seed % 7 % 4 === 2 ? { commitFollowsTurns: 1 } : {},
    // and to fill mailboxes, unless these are small.
    ...seed % 5 === 3 ? { mailboxDepthMax: MAILBOX_DEPTH_MAX } : {},
  };
  // A share of the seeds, since it takes longer; none of those that once failed without.
  const archives = seed % 7 === 0 || seed % 7 === 6;
  const { modules, purse } = archives ? archiving : plain;
  // A share that has none of the seeds kept in test/simulation.
  const isTainting = seed % 13 === 5 || seed % 13 === 8;
  const sim = await simulate(modules, {
    ...{ seed, shards, faults, limits, observe: seed % 8 === 0, disks },
    ...isTainting ? { refused: UNWRITABLE } : {},
  });
  // There, commits are to have many in them.
  const pauseMsMax = isTainting ? HASTY_MS_MAX : PAUSE_MS_MAX;
  const history = new History();
  const workload = new Workload(sim, purse, isTainting);
  const archivist = archives ? new Archivist(sim) : undefined;
  let isOver = false;
  const asking = Promise.all(
    Array.from(
      { length: clients },
      (_, name) => runClient(sim, workload, history, { name: name + 1, calls, pauseMsMax }),
    ),
  ).finally(() => isOver = true);
  await sim.until(Promise.all([asking, archivist?.run(() => isOver)]));
  sim.calm();
  await sim.advance(REST_MS);
  if (!await ownsAll(sim, purse)) {
    await sim.crash();
    await sim.advance(REST_MS);
  }
  const archived = archivist?.moved ?? 0;
  if (archivist) await sim.until(archivist.archive());
  const events = await sim.events();
  const turns = await countTurns(sim, shards, history);
  const violations = await findViolations(sim, {
    ...{ history: history.calls, press, purse, events, archives, shards },
  });
  const refused =
    history.calls.flatMap(({ errors }) => errors).filter((code) => code === "mailbox-full").length;
  const log = events.map((event) => JSON.stringify(event));
  const trace = ["What happened:", ...sim.trace, "", "The log:", ...log].join("\n");
  await sim.stop();
  return {
    ...{ seed, calls, clients, violations, faults: sim.faults },
    ...{ turns, events: events.length, archived, refused, trace },
  };
}

/** Whether the newest process has all shards: one that began to start before it may have taken an idle one last. */
async function ownsAll(sim: Simulation, purse: Purse): Promise<boolean> {
  for (const key of ["a", "b", "c", "d", "e"]) {
    const isOwn = await sim.state(purse, key).then(() => true, () => false);
    if (!isOwn) return false;
  }
  return true;
}

async function countTurns(
  sim: Simulation,
  shards: number,
  history: History,
): Promise<number> {
  let turns = history.calls.filter((call) => call.result && !call.isNamed).length;
  for (let shard = 0; shard < shards; shard++) {
    const [row] = await sim.rows(shard, "SELECT count(*) FROM messages WHERE handled_at IS NOT NULL");
    turns += Number(row?.[0] ?? 0);
  }
  return turns;
}

/** What a seed broke, and with how many calls and clients. */
export type Failed = Pick<ExamResult, "seed" | "calls" | "clients" | "violations">;

/** The same seed with fewer calls and clients, as long as it still fails. */
export async function shrink(failed: Failed): Promise<Failed> {
  let best = failed;
  for (let clients = 1; clients <= failed.clients; clients++) {
    for (let calls = 1; calls <= best.calls; calls++) {
      if (clients * calls >= best.clients * best.calls) break;
      const candidate = await exam({ seed: failed.seed, clients, calls });
      if (candidate.violations.length > 0) best = candidate;
    }
  }
  return best;
}
