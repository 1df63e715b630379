import type { z } from "zod";
import { activityNameOf, type AnyActivity } from "../core/activity.ts";
import type { AnyActor } from "../core/actor.ts";
import type { CommandRequest } from "../core/command.ts";
import { errorMessage, FolioError, issuesOf } from "../core/errors.ts";
import { type RecordedEvent, upcast } from "../core/event.ts";
import type { AnyProjection } from "../core/projection.ts";
import type { Reactor } from "../core/reactor.ts";
import type { Schedule } from "../core/schedule.ts";
import { INTERNAL_PREFIX } from "../core/saga_actor.ts";
import type { AnySaga } from "../core/saga.ts";
import { invalidKeyReason, parseActorName } from "../core/message.ts";
import { scheduleActor } from "./schedule_actor.ts";

/** What a list of modules may hold. */
export type AnyModule = AnyActor | AnyActivity | AnyProjection | AnySaga | Reactor | Schedule;

/** Names of Folio's own modules, each with its kind. */
const builtInNames: ReadonlySet<string> = new Set([
  ...["actor webhook", "activity deliver-webhook", "actor console-audit"],
]);

/** Finds the definitions that names stand for. */
export class Registry {
  readonly actors = new Map<string, AnyActor>();
  readonly projections = new Map<string, AnyProjection>();
  readonly reactors = new Map<string, Reactor>();
  readonly activities = new Map<string, AnyActivity>();
  readonly schedules = new Map<string, Schedule>();
  readonly sagas = new Map<string, AnySaga>();

  /** What it was made with, without Folio's own. */
  readonly given: readonly AnyModule[];
  readonly #builtIn: ReadonlySet<AnyModule>;

  /**
   * @param builtIn Folio's own modules. Their names are never anybody else's, whether or not they are here.
   * @throws {TypeError} When something is no module, or two have one name.
   */
  constructor(modules: readonly AnyModule[], builtIn: readonly AnyModule[] = []) {
    this.given = modules;
    this.#builtIn = new Set(builtIn);
    for (const module of [...modules, ...builtIn]) {
      if (!this.isBuiltIn(module) && builtInNames.has(`${module?.kind} ${module?.name}`)) {
        throw new TypeError(`Cannot register: the name of ${module.kind} ${module.name} is Folio's own`);
      }
      if (module?.kind === "actor") add("actor types", this.actors, module);
      else if (module?.kind === "projection") add("projections", this.projections, module);
      else if (module?.kind === "reactor") add("reactors", this.reactors, module);
      else if (module?.kind === "schedule") add("schedules", this.schedules, module);
      else if (module?.kind === "saga") {
        add("sagas", this.sagas, module);
        add("actor types", this.actors, module.actor);
      } else if (module?.kind === "activity") add("activities", this.activities, module);
      else throw new TypeError(`Cannot register: not a Folio module, ${String(module)}`);
    }
    if (this.schedules.size > 0) add("actor types", this.actors, scheduleActor(this.schedules));
    for (const { name, request } of this.schedules.values()) {
      try {
        this.parse(request);
      } catch (error) {
        throw new TypeError(`Cannot register schedule ${name}: ${errorMessage(error)}`, { cause: error });
      }
    }
  }

  /** Whether it is one of Folio's own modules, whose commands are not for clients. */
  isBuiltIn(module: AnyModule | undefined): boolean {
    return module !== undefined && this.#builtIn.has(module);
  }

  /** @throws {FolioError} `unknown-actor-type`, `malformed`. */
  actor(type: string, key: string): AnyActor {
    const actor = this.actors.get(type);
    if (!actor) {
      throw new FolioError("unknown-actor-type", `There is no actor type "${clip(type)}"`, {
        actorType: clip(type),
      });
    }
    const reason = invalidKeyReason(key);
    if (reason) throw new FolioError("malformed", `Cannot use the key: ${reason}`, { name: "key" });
    return actor;
  }

  /**
   * The input of an activity, parsed.
   *
   * @throws {TypeError} When it is not among the modules.
   * @throws {FolioError} `invalid-input`.
   */
  parseActivity({ name }: { name: string }, input: unknown): unknown {
    const activity = this.activities.get(name);
    if (!activity) throw new TypeError(`Activity ${name} is not among the modules that run`);
    return parsed(activity.input, input, `activity ${name}`);
  }

  /** The input of a kept message, parsed: of a command, or of an activity. */
  parseMessage(message: { actor: string; command: string; input: unknown }): unknown {
    const name = activityNameOf(message.actor);
    if (name !== undefined) return this.parseActivity({ name }, message.input);
    const { type, key } = parseActorName(message.actor);
    return this.parse({ type, key, command: message.command, input: message.input });
  }

  /**
   * An event as readers outside see it: its payload in the present schema version. One that the present code
   * cannot read is shown as it was recorded; its `schemaVersion` says so.
   */
  present<Event extends RecordedEvent>(event: Event): Event {
    const definition = this.actors.get(parseActorName(event.actor).type)?.events.get(event.type);
    if (!definition || definition.schemaVersion === event.schemaVersion) return event;
    try {
      const payload = upcast(definition, event.schemaVersion, event.payload);
      return { ...event, payload, schemaVersion: definition.schemaVersion };
    } catch {
      return event;
    }
  }

  /** As `parse`, of a request that is not the runtime's own: it may not tell a saga what became of its steps. */
  parseFromOutside(request: CommandRequest): unknown {
    if (request.command.startsWith(INTERNAL_PREFIX)) {
      this.#refuse(this.actor(request.type, request.key), request);
    }
    return this.parse(request);
  }

  /**
   * The input of a request, parsed.
   *
   * @throws {FolioError} `unknown-actor-type`, `unknown-command`, `malformed`, `invalid-input`.
   */
  parse(request: CommandRequest): unknown {
    const actor = this.actor(request.type, request.key);
    const command = actor.commands.get(request.command);
    if (!command) this.#refuse(actor, request);
    return parsed(command.input, request.input, `${actor.name}/${request.command}`);
  }

  #refuse(actor: AnyActor, request: CommandRequest): never {
    const name = clip(request.command);
    throw new FolioError("unknown-command", `Actor type ${actor.name} has no command "${name}"`, {
      actorType: actor.name,
      command: name,
    });
  }
}

function parsed(schema: z.ZodType, input: unknown, what: string): unknown {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new FolioError("invalid-input", `Input does not fit ${what}`, { issues: issuesOf(result.error) });
}

function add<Module extends AnyModule>(kind: string, to: Map<string, Module>, module: Module): void {
  if (to.has(module.name)) throw new TypeError(`Cannot register: two ${kind} are called ${module.name}`);
  to.set(module.name, module);
}

function clip(name: string): string {
  return (name.length > 64 ? `${name.slice(0, 64)}…` : name).toWellFormed();
}
