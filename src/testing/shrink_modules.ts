import { fewest } from "./fewest.ts";
import type { ModuleCommands, ModuleStep } from "./module_commands.ts";
import type { ModulesRunner, Played, RunWorld, SentCommand } from "./modules_run.ts";
import type { Faults } from "./simulated_faults.ts";
import { simplifyLeaves } from "./simplify.ts";

/** Runs that are spent on fewer commands, on simpler inputs, and on fewer faults. */
const COMMANDS_RUNS_MAX = 90;
const INPUTS_RUNS_MAX = 50;
const FAULTS_RUNS_MAX = 50;
/** With fewer commands faults come at other moments: so many seeds are tried before that is said to go well. */
const SEEDS_MAX = 5;
/** A simpler input hardly moves them. */
const SEEDS_OF_INPUT_MAX = 2;
/** A kind of fault may be left out only if that is no chance. */
const SEEDS_OF_FAULTS_MAX = 8;
/**
 * Faults are made likelier with each seed, up to this, those of writes together: in a short run they have little to
 * come at, and with more of them no process gets through its start.
 */
const LIKELIEST = 0.25;
const ofWrites = ["lost", "unanswered", "crash", "takeover", "late"];

/** A run that went wrong. */
export interface FailedRun {
  readonly steps: readonly ModuleStep[];
  readonly world: RunWorld;
  readonly played: Played;
}

/** Makes a run that goes wrong smaller, as long as it still does, in a bounded number of runs. */
export class Shrinking {
  #runsLeft = 0;

  constructor(
    private readonly runner: ModulesRunner,
    private readonly commands: ModuleCommands,
    private best: FailedRun,
  ) {}

  /** The fewest commands, then the simplest inputs, then the fewest kinds of faults. */
  async run(): Promise<FailedRun> {
    this.#runsLeft = COMMANDS_RUNS_MAX;
    // Without faults it is the same each time. What takes several commands at once may need none.
    const atOnce = this.best.steps.map((step) => ({ ...step, wait: 0 }));
    await this.#fails(this.best.steps, {}, 1) || await this.#fails(atOnce, {}, 1);
    await fewest(timed(this.best), (kept) => this.#fails(waiting(kept), this.best.world.faults, SEEDS_MAX));
    this.#runsLeft = INPUTS_RUNS_MAX;
    await this.#simplest();
    this.#runsLeft = FAULTS_RUNS_MAX;
    const all = Object.entries(this.best.world.faults);
    await fewest(
      all,
      (kinds) => this.#fails(this.best.steps, Object.fromEntries(kinds), SEEDS_OF_FAULTS_MAX),
    );
    return this.best;
  }

  async #simplest(): Promise<void> {
    const { sent } = this.best.played;
    const isLeaf = ([, part, inner]: readonly unknown[]) => part === "after" || inner === "input";
    await simplifyLeaves(sent, isLeaf, async (simpler) => {
      const isFit = simpler.every(({ request, after }, place) => {
        const isOwn = this.commands.isOwn(request) &&
          JSON.stringify(request) !== JSON.stringify(sent[place]?.request);
        return after >= 0 && !isOwn && this.commands.fits(request);
      });
      return isFit && await this.#fails(simpler.map(asStep), this.best.world.faults, SEEDS_OF_INPUT_MAX);
    });
  }

  /** Whether it goes wrong with the present seed, or one of those that follow; then it is the best so far. */
  async #fails(steps: readonly ModuleStep[], faults: Faults, seedsMax: number): Promise<boolean> {
    if (steps.length === 0) return false;
    const { seed } = this.best.world;
    const seeds = Object.keys(faults).length === 0 ? 1 : seedsMax;
    for (let tried = 0; tried < seeds && this.#runsLeft > 0; tried++) {
      this.#runsLeft--;
      const world = { seed: seed + tried, faults: likelier(faults, 1 + tried) };
      const played = await this.runner.play(steps, world);
      if (played.findings.length === 0) continue;
      this.best = { steps: played.sent.map(asStep), world, played };
      return true;
    }
    return false;
  }
}

interface TimedStep extends ModuleStep {
  /** Milliseconds since the first. */
  readonly at: number;
}

/** Each step with its time, so that the others keep theirs when one is left out. */
function timed({ steps, played }: FailedRun): TimedStep[] {
  let at = 0;
  return steps.slice(0, played.sent.length).map((step, place) => {
    at += played.sent[place]?.after ?? 0;
    return { ...step, at };
  });
}

/** The first need not wait. */
function waiting(steps: readonly TimedStep[]): ModuleStep[] {
  return steps.map(({ request, picks, at }, place) => ({
    request,
    picks,
    wait: at - (steps[place - 1]?.at ?? at),
  }));
}

function likelier(faults: Faults, times: number): Faults {
  const shares = Object.entries(faults).filter(([kind]) => kind !== "diskMsMax");
  const together = shares.filter(([kind]) => ofWrites.includes(kind)).reduce(
    (sum, [, share]) => sum + share,
    0,
  );
  const raised = shares.map(([kind, share]: [string, number]) => {
    const factor = Math.min(times, LIKELIEST / (ofWrites.includes(kind) ? together : share));
    return [kind, factor > 1 ? Number((share * factor).toFixed(2)) : share];
  });
  return { ...faults, ...Object.fromEntries(raised) };
}

function asStep({ request, after }: SentCommand): ModuleStep {
  return { request, picks: [], wait: after };
}
