import { onTestFinished } from "vitest";
import { z } from "zod";
import {
  activity,
  type ActivityContext,
  type ActivityOptions,
  type AnyActivity,
} from "../../src/core/activity.ts";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { type Duration, parseDuration } from "../../src/core/duration.ts";
import type { MessageRecord } from "../../src/core/message.ts";
import type { Limits } from "../../src/config.ts";
import { World } from "../support/world.ts";

const Input = z.object({ label: z.string() });
const Output = z.object({ label: z.string() });

/** One attempt that runs, and how the test ends it. */
export interface Run {
  readonly label: string;
  readonly at: number;
  readonly context: ActivityContext;
  succeed(output?: unknown): void;
  fail(error?: unknown): void;
}

/** What an activity does is what the test says; what it did can be seen. A new one for each test. */
export class Outside {
  /** All attempts, in the order they began. */
  readonly runs: Run[] = [];
  /** What attempts do from now on: nothing until the test ends them, unless it is said otherwise. */
  behave: (run: Run) => void = () => {};
  world: World | undefined;

  run = (input: { label: string }, context: ActivityContext): Promise<{ label: string }> => {
    const { promise, resolve, reject } = Promise.withResolvers<{ label: string }>();
    const run: Run = {
      label: input.label,
      at: this.now(),
      context,
      // What does not fit the schema is what some tests are about.
      succeed: (output = { label: input.label }) => resolve(output as { label: string }),
      fail: (error = new Error("failed, as planned")) => reject(error),
    };
    this.runs.push(run);
    this.behave(run);
    return promise;
  };

  get labels(): string[] {
    return this.runs.map(({ label }) => label);
  }

  /** The attempt that began last. */
  get last(): Run {
    const run = this.runs.at(-1);
    if (!run) throw new Error("Nothing has run");
    return run;
  }

  now(): number {
    return this.world?.clock.now() ?? 0;
  }
}

export type Options = ActivityOptions<typeof Input, typeof Output>;

/** An activity called `work`; backoff has no jitter. */
export function outsideWork(outside: Outside, options: Options = {}): AnyActivity {
  return activity("work", {
    input: Input,
    output: Output,
    run: outside.run,
    ...options,
    retry: { jitter: 0, ...options.retry },
  });
}

const Job = z.object({
  label: z.string(),
  key: z.string().optional(),
  after: z.string().optional(),
  expiresAfter: z.string().optional(),
});

const duration = (text: string | undefined): Duration | undefined =>
  text !== undefined && parseDuration(text) !== undefined ? text as Duration : undefined;

/** Lets activities be performed, and records what it is told of them. */
export function boss(work: AnyActivity) {
  return actor("boss", {
    initialState: () => ({ ids: [] as string[], told: [] as string[] }),
    events: { Asked: z.object({ id: z.string() }), Told: z.object({ text: z.string() }) },
    evolve: {
      Asked: (state, { id }) => ({ ...state, ids: [...state.ids, id] }),
      Told: (state, { text }) => ({ ...state, told: [...state.told, text] }),
    },
    commands: {
      ask: command(z.object({ jobs: z.array(Job) }), (turn, input) => {
        const ids = input.jobs.map(({ label, key, after, expiresAfter }) =>
          turn.perform(work, { label }, {
            key,
            onDone: "done",
            onFailed: "failed",
            context: { label },
            after: duration(after),
            expiresAfter: duration(expiresAfter),
          })
        );
        for (const id of ids) turn.emit("Asked", { id });
        return { ids };
      }),
      done: command(
        z.object({ context: z.object({ label: z.string() }), output: z.any() }),
        (turn, input) => {
          turn.emit("Told", { text: `${input.context.label} done ${JSON.stringify(input.output)}` });
        },
      ),
      failed: command(
        z.object({
          context: z.object({ label: z.string() }),
          error: z.object({ code: z.string(), message: z.string() }),
        }),
        (turn, { context, error }) => {
          turn.emit("Told", { text: `${context.label} ${error.code} ${error.message}` });
        },
      ),
    },
  });
}

export type JobInput = z.input<typeof Job>;

/** A world with one activity, and an actor that asks for it. */
export class WorkWorld {
  private constructor(
    readonly world: World,
    readonly outside: Outside,
    private readonly chief: ReturnType<typeof boss>,
  ) {}

  static async start(
    options: Options = {},
    more: { shards?: number; limits?: Partial<Limits>; outside?: Outside; seed?: number } = {},
  ): Promise<WorkWorld> {
    const outside = more.outside ?? new Outside();
    const work = outsideWork(outside, options);
    const chief = boss(work);
    const { outside: _, ...rest } = more;
    const world = await World.start({ modules: [work, chief], ...rest });
    outside.world = world;
    onTestFinished(() => world.activities.stop());
    return new WorkWorld(world, outside, chief);
  }

  get clock() {
    return this.world.clock;
  }

  /** Modules with the same activity under other options, for a restart. */
  modules(options: Options) {
    const work = outsideWork(this.outside, options);
    return [work, boss(work)];
  }

  /** Asks for work, each job by its label or in full. @returns Their ids. */
  async ask(jobs: readonly (string | JobInput)[], key = "b"): Promise<string[]> {
    const full = jobs.map((job) => (typeof job === "string" ? { label: job } : job));
    const result = await this.world.runtime.ask(this.chief.ref(key).ask({ jobs: full }));
    await this.world.settle();
    if (!result.ok) throw new Error("It was rejected");
    return result.reply.ids;
  }

  /** What the actor has been told so far, from the disk. */
  async told(): Promise<string[]> {
    await this.world.settle();
    const events = await this.world.events();
    return events.filter(({ type }) => type === "Told").map(({ payload }) =>
      (payload as { text: string }).text
    );
  }

  async message(id: string): Promise<MessageRecord> {
    await this.world.settle();
    const message = await this.world.message(id);
    if (!message) throw new Error(`There is no message ${id}`);
    return message;
  }

  status() {
    const [status] = this.world.activities.list();
    if (!status) throw new Error("There are no activities");
    return status;
  }
}
