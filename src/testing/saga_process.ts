import assert from "node:assert/strict";
import type { AnyActivity } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { errorMessage } from "../core/errors.ts";
import { Journal, type StepRecord } from "../core/journal.ts";
import type { Told, ToldError } from "../core/message.ts";
import type { AnySaga } from "../core/saga.ts";
import { defaultLimits } from "../config.ts";
import { type AnyModule, Registry } from "../runtime/registry.ts";
import { SagaTurn, type SagaTurnResult } from "../runtime/saga_turn.ts";
import type { Send, TimerChange } from "../runtime/turn.ts";
import { literal } from "./literal.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { checkIsRepeatable } from "./when.ts";

/** Where a test of a saga takes place. */
export interface SagaOptions {
  /** The instance's id (`"id"`). */
  readonly id?: string;
  /** When it starts, in milliseconds since the Unix epoch (2026-01-01). */
  readonly now?: number;
  /** What each `step.random()` says, in [0, 1) (0.5). Ids are `id-1`, `id-2` and so on, those of messages too. */
  readonly random?: number;
  /** Other modules, so that what it asks of them is checked against their commands. */
  readonly modules?: readonly AnyModule[];
}

/** How a message ended that a saga has sent. */
export type Answer = { readonly output: unknown } | { readonly error: ToldError };

/**
 * One saga instance whose turns are the runtime's, and whose messages nobody handles: they are answered by hand, and
 * time passes when it is told to. Each turn begins from the journal as the disk would give it, and is run twice, so
 * that a `run` which does not do the same again is found out.
 */
export class SagaProcess {
  now: number;
  journal = new Journal();
  /** Messages that nobody has answered, by their ids. */
  readonly messages = new Map<string, Send>();
  /** When each step was asked for, by its number. */
  readonly askedAt = new Map<number, number>();
  readonly #timers = new Map<string, NonNullable<TimerChange["set"]>>();
  readonly #clock = new VirtualClock();
  readonly #registry: Registry;
  #version = 0;
  #idsMade = 0;

  constructor(private readonly saga: AnySaga, private readonly options: SagaOptions) {
    this.now = options.now ?? Date.UTC(2026, 0, 1);
    this.#registry = new Registry([...new Set([saga, ...options.modules ?? []])]);
  }

  /** @throws {AssertionError} When the turn fails, or is rejected. */
  async deliver(command: string, input: unknown): Promise<void> {
    const { result, idsMade } = await this.#turn(command, input);
    checkIsRepeatable(result, (await this.#turn(command, input)).result);
    if (result.kind === "rejected") {
      assert.fail(
        `${this.saga.name} rejects ${command}: ${result.rejection} ${JSON.stringify(result.details)}`,
      );
    }
    if (result.kind !== "done") assert.fail(`${this.saga.name} fails: ${errorMessage(result.error)}`);
    this.#idsMade = idsMade;
    for (let step = this.journal.steps.length; step < (result.state as Journal).steps.length; step++) {
      this.askedAt.set(step, this.now);
    }
    this.journal = result.state as Journal;
    this.#version = result.version;
    for (const send of result.sends) if (send.id !== undefined) this.messages.set(send.id, send);
    for (const { name, set } of result.timers) {
      this.#timers.delete(name);
      if (set) this.#timers.set(name, set);
    }
  }

  /** Ends a message, as the runtime tells of it. */
  async answer(messageId: string, answer: Answer): Promise<void> {
    const send = this.messages.get(messageId);
    if (!send?.replyTo) assert.fail(`Nobody is told what becomes of message ${messageId}`);
    this.messages.delete(messageId);
    const told: Told = { id: messageId, context: send.replyTo.context, ...answer };
    await this.deliver("$told", JSON.parse(JSON.stringify(told)));
  }

  /** Lets time pass; timers that are due by then fire one after the other. */
  async passUntil(end: number): Promise<void> {
    while (true) {
      const due = [...this.#timers].sort(([, a], [, b]) => a.dueAt - b.dueAt)[0];
      if (!due || due[1].dueAt > end) break;
      const [name, { dueAt, request }] = due;
      this.now = Math.max(this.now, dueAt);
      this.#timers.delete(name);
      await this.deliver(request.command, request.input);
    }
    this.now = Math.max(this.now, end);
  }

  /** What it waits for, or how it has ended, in words. */
  get describe(): string {
    const { status, aborted, nextUndo } = this.journal;
    const undo = nextUndo?.compensation &&
      `it undoes "${nextUndo.name}"${this.#to(nextUndo.compensation.messageId)}`;
    const waits = [...this.journal.pending].map((step) =>
      `${step.kind} "${step.name}"${this.#to(step.started.messageId)}`
    );
    const why = aborted ? `: ${aborted.error.code}, ${aborted.error.message}` : "";
    return `The saga is ${status}${why}; ${undo ?? `it waits for ${waits.join(", ") || "nothing"}`}`;
  }

  #to(messageId: string | undefined): string {
    const request = this.messages.get(messageId ?? "")?.request;
    return request ? ` of ${request.type}/${request.key}: ${request.command} ${literal(request.input)}` : "";
  }

  async #turn(command: string, input: unknown): Promise<{ result: SagaTurnResult; idsMade: number }> {
    let idsMade = this.#idsMade;
    const world = {
      now: this.now,
      ids: { next: () => `id-${++idsMade}`, random: () => this.options.random ?? 0.5 },
      limits: defaultLimits,
      checkRequest: (request: CommandRequest) => {
        // Whether other types are there is for whoever runs the modules together.
        if (this.options.modules || this.#registry.actors.has(request.type)) this.#registry.parse(request);
      },
      checkActivity: (activity: AnyActivity, given: unknown) => void activity.input.parse(given),
      log: () => {},
      quiet: () => new Promise<void>((resolve) => this.#clock.soon(resolve)),
    };
    const state = Journal.revived(JSON.parse(JSON.stringify(this.journal.toSnapshot())));
    const turn = { key: this.options.id ?? "id", state, version: this.#version, command, input };
    return { result: await new SagaTurn(this.saga, turn, world, undefined).result(), idsMade };
  }

  /** The step of a name that it waits for. */
  pending(kind: StepRecord["kind"], name: string): StepRecord {
    const step = this.journal.pending.values().find((pending) => pending.name === name);
    if (step?.kind !== kind) assert.fail(`No ${kind} "${name}" waits to be answered. ${this.describe}`);
    return step;
  }
}
