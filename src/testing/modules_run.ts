import type { Limits } from "../config.ts";
import type { CommandRequest } from "../core/command.ts";
import type { Duration } from "../core/duration.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { ModuleCommands, ModuleStep } from "./module_commands.ts";
import { comesToRest, findingsOf } from "./module_findings.ts";
import { leavesOf, Seen } from "./seen.ts";
import { DiskPool } from "./simulated_disk.ts";
import type { FaultCounts, Faults } from "./simulated_faults.ts";
import { SimulatedCrash } from "./simulated_process.ts";
import { simulate, type Simulation } from "./simulation.ts";

/** What modules are tried in. */
export interface ModulesOptions {
  /** Shards of the store (2): what actors of different ones send each other may come again, and late. */
  readonly shards?: number;
  readonly limits?: Partial<Limits>;
  /**
   * What is done before the first command, while nothing goes wrong. Modules are made once for all runs: what
   * stands in for the outside world is cleared here.
   */
  readonly given?: (sim: Simulation) => unknown;
  /**
   * What must be true of all actors together, asked once nothing goes wrong any more and all has come to rest. It
   * throws where that is not so.
   */
  readonly check?: (sim: Simulation) => void | Promise<void>;
  /** How much time what is under way has to come to its end, once nothing goes wrong any more (`"1h"`). */
  readonly rest?: Duration;
}

/** What one run depends on, beside the modules and what they are sent. */
export interface RunWorld {
  /** Of the simulation. */
  readonly seed: number;
  readonly faults: Faults;
}

/** A command as it was sent. */
export interface SentCommand {
  readonly request: CommandRequest;
  /** Milliseconds between the command before and this one. */
  readonly after: number;
}

/** What came of a run. */
export interface Played {
  readonly sent: readonly SentCommand[];
  /** What no modules may do; empty where all went well. */
  readonly findings: readonly string[];
  readonly done: readonly string[];
  readonly rejected: readonly string[];
  readonly events: readonly string[];
  readonly faults: FaultCounts;
  /** As `Simulation.trace` has it. */
  readonly trace: readonly string[];
}

const TRIES_MAX = 60;
const RETRY_MS = 700;
/** A client asks a process that has been overtaken, if there is one, so often. */
const ASKS_OLDER = 0.3;
/** By then a write of a dead process has arrived, if it ever does. */
const LATE_MS = 3_000;
const WAIT_MS_MAX = 3_600_000;
const NUMBERS_KEPT = 6;

/** Runs modules, once for each sequence of commands, on disks that are kept between runs. */
export class ModulesRunner {
  readonly #disks = new DiskPool();

  constructor(
    private readonly modules: readonly AnyModule[],
    private readonly options: ModulesOptions,
    private readonly may: Pick<ModuleCommands, "keys" | "fits" | "isSaga">,
  ) {}

  /** The same steps in the same world give the same, as long as nothing outside the engine takes time. */
  async play(steps: readonly ModuleStep[], { seed, faults }: RunWorld): Promise<Played> {
    const { shards = 2, limits = {}, given, check, rest = "1h" } = this.options;
    // The dice look into it each time.
    const present: Faults = {};
    const sim = await simulate(this.modules, {
      seed,
      shards,
      limits,
      observe: false,
      disks: this.#disks,
      faults: present,
    });
    const run = new Run(sim, this.may);
    try {
      await given?.(sim);
      Object.assign(present, faults);
      await run.guard(async () => {
        await run.send(steps);
        sim.calm();
        await sim.advance(LATE_MS);
        // One process that has everything; what others have begun has come to its end or never will.
        await sim.crash();
        await comesToRest(sim, rest);
        run.findings.push(...await findingsOf(sim, rest));
      });
      if (check) await run.guard(async () => await check(sim), "check: ");
      const events = (await sim.events()).map(({ actor, type }) => `${typeOf(actor)}/${type}`);
      return { ...run, events, faults: { ...sim.faults }, trace: [...sim.trace] };
    } finally {
      // Disks that are still at work are not given back: the next run has new ones.
      await sim.stop().catch(() => {});
    }
  }
}

/** One run. */
class Run {
  readonly sent: SentCommand[] = [];
  readonly findings: string[] = [];
  readonly done: string[] = [];
  readonly rejected: string[] = [];
  readonly #seen = new Seen();
  #numbers: readonly number[] = [];
  #eventsSeen = 0;

  constructor(private readonly sim: Simulation, private readonly may: ModulesRunner["may"]) {}

  async send(steps: readonly ModuleStep[]): Promise<void> {
    const answers: Promise<void>[] = [];
    for (const [place, step] of steps.entries()) {
      const after = await this.#afterOf(step);
      if (after > 0) await this.sim.clock.advance(after);
      const request = step.picks.length > 0 ? await this.#withSeen(step) : step.request;
      this.sent.push({ request, after });
      answers.push(this.#ask(request, `call-${place + 1}`));
    }
    await this.sim.until(Promise.all(answers));
  }

  /** What is thrown is found. */
  async guard(work: () => Promise<void>, before = ""): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.findings.push(`${before}${errorMessage(error)}`);
    }
  }

  /** As a client that repeats what may not have been done, under the same message id. */
  async #ask(request: CommandRequest, messageId: string): Promise<void> {
    const { type, key, command, input } = request;
    this.sim.note(`${messageId}: ${type}/${key} ${command} ${JSON.stringify(input)}`);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        const on = this.sim.random() < ASKS_OLDER ? "older" : "newest";
        const result = await this.sim.begin((runtime) => runtime.ask(request, { messageId }), on);
        const said = result.ok ? result.reply : result.rejection;
        this.sim.note(`${messageId} is ${result.ok ? "done" : "rejected"}: ${JSON.stringify(said)}`);
        if (result.ok) {
          this.done.push(`${request.type}/${request.command}`);
          return this.#see(result.reply);
        }
        const { code, details }: { code?: unknown; details?: unknown } = Object(result.rejection);
        this.rejected.push(String(code));
        return this.#see(details);
      } catch (error) {
        if (!(error instanceof SimulatedCrash) && !(error instanceof FolioError)) throw error;
        this.sim.note(`${messageId} ends with ${error instanceof FolioError ? error.code : "a crash"}`);
        // It is in the log, and found there.
        if (FolioError.is(error, "handler-failed") || FolioError.is(error, "invariant-broken")) return;
        await new Promise<void>((resolve) => this.sim.clock.after(RETRY_MS, resolve));
      }
    }
  }

  async #afterOf({ wait }: ModuleStep): Promise<number> {
    if (typeof wait === "number") return wait;
    const runtime = await this.sim.runtime();
    const due: number[] = [];
    for (const { number } of runtime.shards) {
      const rows = await this.sim.rows(number, "SELECT due_at FROM timers ORDER BY due_at LIMIT 3");
      due.push(...rows.map(([at]) => Number(at)));
    }
    due.sort((a, b) => a - b);
    const afterMs = (due[wait.timer % due.length] ?? 0) + wait.byMs - runtime.clock.now();
    return afterMs > WAIT_MS_MAX ? 0 : Math.max(afterMs, 0);
  }

  /** The request, with some of its input replaced by what earlier ones have led to. */
  async #withSeen({ request, picks }: ModuleStep): Promise<CommandRequest> {
    const events = await this.sim.events();
    // A saga's journal says once more what it was started with.
    const news = events.slice(this.#eventsSeen).filter(({ actor }) => !this.may.isSaga(typeOf(actor)));
    for (const { payload } of news) this.#see(payload);
    this.#eventsSeen = events.length;
    const more = (leaf: string | number) =>
      typeof leaf === "string" ? this.may.keys : this.#numbers.flatMap((n) => [n, n + 1]);
    const isFit = (input: unknown) => this.may.fits({ ...request, input });
    return { ...request, input: this.#seen.reuse(request.input, picks, more, isFit) };
  }

  #see(value: unknown): void {
    this.#seen.add(value);
    const numbers = [...leavesOf(value)].flatMap(({ leaf }) => typeof leaf === "number" ? [leaf] : []);
    this.#numbers = [...new Set([...numbers, ...this.#numbers])].slice(0, NUMBERS_KEPT);
  }
}

function typeOf(actor: string): string {
  return actor.slice(0, actor.indexOf("/"));
}
