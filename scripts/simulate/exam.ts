import { FolioError } from "../../src/mod.ts";
import { simulate, SimulatedCrash, type Simulation } from "../../src/testing/mod.ts";
import { type Call, findViolations } from "./checks.ts";
import { examModules } from "./modules.ts";

/** How hard an exam is. */
export interface ExamOptions {
  readonly seed: number;
  /** Calls of each client; what shrinking makes less. */
  readonly calls?: number;
  readonly clients?: number;
}

/** What came of one seed. */
export interface ExamResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly crashes: number;
  readonly calls: number;
  readonly events: number;
  /** The whole log as one text: the same seed gives the same. */
  readonly trace: string;
}

const purses = ["a", "b", "c", "d"];
const PATIENCE = 40;

/** Runs clients against the engine under faults that the seed chooses, and holds what they saw against the log. */
export async function exam(options: ExamOptions): Promise<ExamResult> {
  const { seed, calls = 12, clients = 3 } = options;
  const press = { sheets: new Map<string, number>() };
  const { modules, purse, audit } = examModules(press);
  const mood = seed % 4;
  const sim = await simulate(modules, {
    seed,
    shards: seed % 3 === 0 ? 1 : 3,
    faults: {
      lost: mood === 0 ? 0 : 0.03,
      unanswered: mood === 0 ? 0 : 0.03,
      crash: mood === 1 ? 0 : 0.03,
      diskMsMax: mood === 2 ? 0 : 20,
      activity: 0.3,
    },
  });
  const history: Call[] = [];
  let order = 0;
  let notes = 0;

  const client = async (name: number): Promise<void> => {
    let paid = 0;
    for (let made = 0; made < calls; made++) {
      await pause(sim, Math.floor(sim.random() ** 3 * 3_000));
      const key = pick(sim, purses);
      const request = sim.random() < 0.12
        ? startMove(sim, key, `move-${name}-${made}`)
        : choose(sim, key, () => ++notes, () => ++paid + name * 1_000);
      const call: Call = {
        ...{ key, type: request.type, command: request.command, input: request.input },
        id: `call-${name}-${made}`,
        ...{ startedAt: ++order, endedAt: undefined, result: undefined },
      };
      history.push(call);
      // A saga is started again until it is known to be; its id keeps it one.
      const isNamed = request.type === "move" || sim.random() < 0.7;
      // One without a name must not be repeated: it may have been handled.
      for (let tries = 0; tries < (isNamed ? PATIENCE : 1) && !call.result; tries++) {
        try {
          const wanted = isNamed ? { messageId: call.id } : { correlationId: call.id };
          const result = await sim.begin((runtime) => runtime.ask(request, wanted));
          call.result = { ...result, isNamed };
          call.endedAt = ++order;
        } catch (error) {
          if (!(error instanceof SimulatedCrash) && !(error instanceof FolioError)) throw error;
          await pause(sim, 200);
        }
      }
    }
  };

  const work = Promise.all(Array.from({ length: clients }, (_, name) => client(name + 1)));
  await sim.until(work);
  sim.calm();
  // Longer than the longest timer, and what follows from it.
  await sim.advance("15m");
  const violations = await findViolations(sim, { history, press, purse, audit });
  const events = await sim.events();
  const trace = events.map((event) => JSON.stringify(event)).join("\n");
  await sim.stop();
  return { seed, violations, crashes: sim.crashes, calls: history.length, events: events.length, trace };

  function choose(sim: Simulation, key: string, note: () => number, n: () => number) {
    const ref = purse.ref(key);
    const amount = 1 + Math.floor(sim.random() * 20);
    const name = pick(sim, ["x", "y"]);
    switch (Math.floor(sim.random() * 8)) {
      case 0:
      case 1:
        return ref.deposit({ amount, times: 1 + Math.floor(sim.random() * 4) });
      case 2:
        return ref.withdraw({ amount });
      case 3:
      case 4:
        return ref.pay({ to: pick(sim, purses), n: n(), amount: Math.ceil(amount / 4) });
      case 5:
        return ref.remind({ name, note: note(), afterMs: Math.floor(sim.random() ** 2 * 600_000) });
      case 6:
        return sim.random() < 0.5 ? ref.drop({ name }) : ref.look({});
      default:
        return ref.print({});
    }
  }
}

function startMove(sim: Simulation, from: string, id: string) {
  const amount = 1 + Math.floor(sim.random() * 10);
  const input = { move: id, amount, from, to: pick(sim, purses), isWanted: sim.random() < 0.7 };
  return { type: "move", key: id, command: "start", input: { input } };
}

/** The same seed with fewer calls and clients, as long as it still fails. */
export async function shrink(failing: ExamOptions): Promise<ExamOptions> {
  let best = { calls: 12, clients: 3, ...failing };
  for (const clients of [1, 2, 3]) {
    for (let calls = 1; calls <= best.calls; calls++) {
      if (clients * calls >= best.clients * best.calls) break;
      const candidate = { ...best, clients, calls };
      if ((await exam(candidate)).violations.length > 0) best = candidate;
    }
  }
  return best;
}

function pick<T>(sim: Simulation, from: readonly T[]): T {
  return from[Math.floor(sim.random() * from.length)] as T;
}

function pause(sim: Simulation, ms: number): Promise<void> {
  return new Promise((resolve) => sim.clock.after(ms, resolve));
}
