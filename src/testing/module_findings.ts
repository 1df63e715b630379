import { type Duration, parseDuration } from "../core/duration.ts";
import { SCHEDULE_TYPE } from "../runtime/schedule_actor.ts";
import type { Simulation } from "./simulation.ts";

const LOOK_MS_MAX = 60_000;
const STUCK_MAX = 100;

/** Lines of the log that say what no module may do, and what is told of each. */
const told: Readonly<Record<string, (fields: Readonly<Record<string, unknown>>) => string | undefined>> = {
  "Handler failed": ({ actor, command, error }) => `${actor} fails at ${command}: ${error}`,
  "Handler failed, will be tried again": ({ actor, command, error }) =>
    `${actor} fails at ${command}: ${error}`,
  "Projection has stopped": ({ projection, type, actor, error }) =>
    `projection ${projection} fails at ${type} of ${actor}: ${error}`,
  "Reactor has stopped": ({ reactor, type, actor, error }) =>
    `reactor ${reactor} fails at ${type} of ${actor}: ${error}`,
  "Saga is stopped: its code does not fit what it has recorded": ({ actor, error }) =>
    `saga ${actor} is stopped: ${error}`,
  // It is undone, and so it would look like any other that was turned away.
  "Saga failed": ({ actor, code, error }) =>
    code !== "run-failed" || /^(Type|Reference)Error: /.test(String(error))
      ? `saga ${actor} fails: ${error}`
      : undefined,
};

/**
 * What modules have done that none may, each thing once. A saga that is stuck is told to try again first: an activity
 * that was made to fail until its attempts were used up is no fault of the modules.
 */
export async function findingsOf(sim: Simulation, rest: Duration): Promise<string[]> {
  const isRetried = await retryStuck(sim);
  if (isRetried) await comesToRest(sim, rest);
  const found = sim.logged.flatMap((line) => {
    const [, message = "", fields = "{}"] = /^\w+ (.*?)(?: (\{.*\}))?$/s.exec(line) ?? [];
    const finding = told[message]?.(JSON.parse(fields));
    return finding === undefined ? [] : [finding];
  });
  return [...new Set([...found, ...isRetried ? await stuck(sim) : []])];
}

/** Lets time pass until nothing is under way any more, as long as that may take. */
export async function comesToRest(sim: Simulation, rest: Duration): Promise<void> {
  const end = sim.clock.elapsed() + (parseDuration(rest) ?? 0);
  for (let lookMs = 1_000; sim.clock.elapsed() < end && await isUnderWay(sim);) {
    await sim.advance(Math.min(lookMs, end - sim.clock.elapsed()));
    lookMs = Math.min(2 * lookMs, LOOK_MS_MAX);
  }
}

async function isUnderWay(sim: Simulation): Promise<boolean> {
  const { shards, projections, reactors } = await sim.runtime();
  const following = [...projections.list(), ...reactors.list()];
  if (following.some(({ lagEvents, failure }) => lagEvents > 0 && !failure)) return true;
  for (const { number } of shards) {
    const rows = await sim.rows(
      number,
      `SELECT 1 FROM messages WHERE status IN ('queued', 'retrying')
       UNION ALL SELECT 1 FROM outbox
       UNION ALL SELECT 1 FROM timers WHERE actor NOT LIKE '${SCHEDULE_TYPE}/%' LIMIT 1`,
    );
    if (rows.length > 0) return true;
  }
  return false;
}

/** @returns Whether there were any. */
async function retryStuck(sim: Simulation): Promise<boolean> {
  let isAny = false;
  for (const { saga, id } of await stuckSagas(sim)) {
    isAny = true;
    await sim.until(sim.begin((runtime) => runtime.sagas.retry(saga, id)));
  }
  return isAny;
}

async function stuck(sim: Simulation): Promise<string[]> {
  const found: string[] = [];
  for (const { saga, id } of await stuckSagas(sim)) {
    const status = await sim.until(sim.begin((runtime) => runtime.sagas.status(saga, id)));
    const step = status?.steps.find(({ compensation }) => compensation?.status === "stuck");
    const { to, error } = step?.compensation ?? {};
    found.push(`saga ${saga}/${id} is stuck: ${step?.name} cannot be undone at ${to}: ${error?.message}`);
  }
  return found;
}

async function stuckSagas(sim: Simulation): Promise<readonly { saga: string; id: string }[]> {
  const { registry } = await sim.runtime();
  const lists = [...registry.sagas.keys()].map((saga) =>
    sim.until(sim.begin((runtime) => runtime.sagas.list(saga, { status: "stuck", limit: STUCK_MAX })))
  );
  return (await Promise.all(lists)).flatMap(({ sagas }) => sagas);
}
