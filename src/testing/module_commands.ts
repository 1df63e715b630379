import fc from "fast-check";
import type { z } from "zod";
import type { AnyActor } from "../core/actor.ts";
import type { CommandDefinition, CommandRequest } from "../core/command.ts";
import type { AnySaga } from "../core/saga.ts";
import type { AnyModule } from "../runtime/registry.ts";
import { picks } from "./fuzz_steps.ts";
import type { CommandsOf } from "./given.ts";
import { fits, inputsOf } from "./inputs.ts";

/** A command to be sent, still to be made one of what earlier ones have led to. */
export interface ModuleStep {
  readonly request: CommandRequest;
  readonly picks: readonly (number | undefined)[];
  readonly wait: ModuleWait;
}

/** Milliseconds after the step before; or until so long after one of the timers that are set is due. */
type ModuleWait = number | { readonly timer: number; readonly byMs: number };

/** So few that what is sent to one meets it, and so many that some are under way at the same time. */
const sagaIds = ["1", "2", "3", "4", "5", "6"];

type SagaCommand = "start" | "signal" | "cancel";

/** What modules may be sent: `account`, `account/deposit`, `transfer/start`. */
export type SentTo<M extends AnyModule> = M extends AnyActor
  ? M["name"] | `${M["name"]}/${keyof CommandsOf<M> & string}`
  : M extends AnySaga ? M["name"] | `${M["name"]}/${SagaCommand}`
  : never;

/** Inputs of actors' commands, and what sagas are started with. */
export type ModuleInputs<M extends AnyModule> = {
  readonly [Name in Extract<SentTo<M>, `${string}/${string}`>]?: fc.Arbitrary<InputOf<M, Name>>;
};
type InputOf<M extends AnyModule, Name> = M extends AnyActor
  ? Name extends `${M["name"]}/${infer Command}` ? InputOfCommand<CommandsOf<M>, Command> : never
  : M extends AnySaga ? Name extends `${M["name"]}/start` ? z.input<M["input"]> : never
  : never;
type InputOfCommand<Commands, Name> = Name extends keyof Commands
  ? Commands[Name] extends CommandDefinition<never, infer Input, infer _Reply> ? z.input<Input> : never
  : never;

/** What of modules is sent, and to whom. */
export interface ModuleCommandsOptions {
  readonly only?: readonly string[] | undefined;
  readonly inputs?: Readonly<Record<string, fc.Arbitrary<unknown> | undefined>> | undefined;
  readonly keys?: readonly string[] | undefined;
}

interface Sendable {
  readonly type: string;
  readonly command: string;
  /** Made when it is sent: what is not need not be something that inputs can be made for. */
  readonly inputs: () => fc.Arbitrary<unknown>;
  readonly fits: (input: unknown) => boolean;
  /** Whether its author has said what its inputs are: they are sent as they are. */
  readonly isOwn: boolean;
}

/** The commands that clients may send to modules. */
export class ModuleCommands {
  readonly keys: readonly string[];
  readonly #sendable = new Map<string, Sendable>();

  /** @throws {RangeError} When there is nothing to send, or something is named that may not be sent. */
  constructor(
    private readonly modules: readonly AnyModule[],
    { only, inputs = {}, keys = ["a", "b"] }: ModuleCommandsOptions,
  ) {
    this.keys = keys;
    const all = modules.flatMap((module) =>
      module.kind === "actor" ? ofActor(module, inputs) : module.kind === "saga" ? ofSaga(module, inputs) : []
    );
    const isNamed = (name: string, { type, command }: Sendable) =>
      name === type || name === `${type}/${command}`;
    for (const name of [...only ?? [], ...Object.keys(inputs)]) {
      if (!all.some((each) => isNamed(name, each))) {
        throw new RangeError(`Cannot fuzz: there is no ${name} that clients may send`);
      }
    }
    for (const each of all) {
      const isSent = !only || only.some((name) => isNamed(name, each));
      if (isSent) this.#sendable.set(`${each.type}/${each.command}`, each);
    }
    if (this.#sendable.size === 0 || keys.length === 0) {
      throw new RangeError("Cannot fuzz: there is nothing that a client may send");
    }
  }

  /** Any sequence of them. */
  steps(commandsMax: number): fc.Arbitrary<readonly ModuleStep[]> {
    const step = fc.oneof(...[...this.#sendable.values()].map(({ type, command, inputs, isOwn }) => ({
      // What ends things early is sent less often than what begins them.
      weight: command === "cancel" ? 1 : 3,
      arbitrary: fc.record({
        request: fc.record({
          type: fc.constant(type),
          key: fc.constantFrom(...this.isSaga(type) ? sagaIds : this.keys),
          command: fc.constant(command),
          input: inputs(),
        }),
        picks: isOwn ? fc.constant([]) : picks,
        wait: waits,
      }),
    })));
    return fc.array(step, { minLength: 1, maxLength: commandsMax, size: "max" });
  }

  fits({ type, command, input }: CommandRequest): boolean {
    return this.#sendable.get(`${type}/${command}`)?.fits(input) ?? false;
  }

  isSaga(type: string): boolean {
    return this.modules.some(({ kind, name }) => kind === "saga" && name === type);
  }

  isOwn({ type, command }: CommandRequest): boolean {
    return this.#sendable.get(`${type}/${command}`)?.isOwn ?? false;
  }
}

type Inputs = NonNullable<ModuleCommandsOptions["inputs"]>;

function ofActor({ name: type, commands }: AnyActor, inputs: Inputs): Sendable[] {
  return [...commands].filter(([, { isInternal }]) => !isInternal).map(([command, { input: schema }]) => {
    const own = inputs[`${type}/${command}`];
    return {
      type,
      command,
      inputs: () => own ?? inputsOf(schema, `${type}/${command}`),
      fits: (input) => fits(schema, input),
      isOwn: own !== undefined,
    };
  });
}

function ofSaga({ name: type, input: schema, signals = new Map() }: AnySaga, inputs: Inputs): Sendable[] {
  const own = inputs[`${type}/start`];
  const start = () => own ?? inputsOf(schema, `${type}/start`);
  const signal = (input: unknown) => {
    const { name, payload } = Object(input);
    const payloads = signals.get(name);
    return payloads !== undefined && fits(payloads, payload);
  };
  return [
    {
      type,
      command: "start",
      inputs: () => start().map((input) => ({ input })),
      fits: (input) => fits(schema, Object(input).input),
      isOwn: own !== undefined,
    },
    ...signals.size === 0 ? [] : [{
      type,
      command: "signal",
      inputs: () =>
        fc.oneof(
          ...[...signals].map(([name, payload]) =>
            fc.record({ name: fc.constant(name), payload: inputsOf(payload, `signal ${name} of ${type}`) })
          ),
        ),
      fits: signal,
      isOwn: false,
    }],
    { type, command: "cancel", inputs: () => fc.constant({}), fits: () => true, isOwn: true },
  ];
}

/** Most follow at once, or while those before are still under way. */
const waits: fc.Arbitrary<ModuleWait> = fc.oneof(
  { arbitrary: fc.constant(0), weight: 5 },
  { arbitrary: fc.integer({ min: 1, max: 200 }), weight: 5 },
  { arbitrary: fc.constantFrom(1_000, 10_000, 60_000, 900_000), weight: 1 },
  { arbitrary: fc.record({ timer: fc.nat(2), byMs: fc.constantFrom(0, -1, 1) }), weight: 2 },
);
