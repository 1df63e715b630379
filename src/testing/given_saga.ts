import assert from "node:assert/strict";
import { activityType, type AnyActivity, type InputOf, type OutputOf } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import type { SagaView } from "../core/saga_view.ts";
import type { AnySaga, SagaInput, SagaOutput } from "../core/saga.ts";
import { type Answer, type SagaOptions, SagaProcess } from "./saga_process.ts";

/** What comes of a command that a saga asks for; a rejection's details are those that the actor gives. */
export type AskAnswer<Reply, Rejection> =
  | { readonly replies: Reply }
  | { readonly rejects: CodeOf<Rejection>; readonly details?: unknown }
  | { readonly dies: string };
type CodeOf<Rejection> = Rejection extends { readonly code: infer Code extends string } ? Code : string;

/** What comes of an activity: what it gives, or why it is a dead letter. */
export type PerformAnswer<Output> = { readonly gives: Output } | { readonly dies: string };

/** How another saga ends that a saga has started. */
export type ChildAnswer<Output> =
  | { readonly completes: Output }
  | { readonly ends: "failed" | "cancelled" | "timed-out"; readonly message?: string };

/** A signal that comes so long after the step was asked for (at once); or none in time. */
export type SignalAnswer = { readonly gets: unknown; readonly after?: Duration } | "nothing";

/** What takes a step back: a command, or an activity with its input. */
type Undoing<A extends AnyActivity> = CommandRequest | readonly [A, InputOf<A>];

/**
 * A saga that has been started in a test, and is answered step by step. Nothing is sent, stored or waited for: its
 * turns are the runtime's, and time is what the test says.
 *
 * Each method but the last three says what the saga must do next, and how that ends; without an answer the step is
 * left waiting. A test ends with `completes`, `fails` or `ends`, which is to be awaited and fails for whatever was
 * not so.
 */
export class GivenSaga<S extends AnySaga> {
  readonly #process: SagaProcess;
  /** What has been said so far, one after the other. */
  #rest: Promise<void>;

  constructor(saga: S, input: SagaInput<S>, options: SagaOptions = {}) {
    this.#process = new SagaProcess(saga, options);
    this.#rest = this.#process.deliver("start", { input: copyOf(input) });
    this.#rest.catch(() => {}); // the end of the test tells of it
  }

  /** It asks another actor. */
  asks<Reply, Rejection>(
    name: string,
    request: CommandRequest<Reply, Rejection>,
    answer?: AskAnswer<NoInfer<Reply>, NoInfer<Rejection>>,
  ): this {
    return this.#next(async () => {
      const messageId = this.#sent("ask", name, request);
      if (answer) await this.#process.answer(messageId, answerOf(answer, request));
    });
  }

  /** It lets an activity be performed. */
  performs<A extends AnyActivity>(
    name: string,
    activity: A,
    input: InputOf<A>,
    answer?: PerformAnswer<OutputOf<A>>,
  ): this {
    return this.#next(async () => {
      const messageId = this.#sent("perform", name, { type: activityType(activity.name), input });
      if (!answer) return;
      const done: Answer = "gives" in answer
        ? { output: activity.output.parse(answer.gives) }
        : { error: { code: "dead-letter", message: answer.dies } };
      await this.#process.answer(messageId, done);
    });
  }

  /** It starts another saga, in a step that has that one's name unless it has one of its own. */
  starts<C extends AnySaga>(
    child: C,
    input: SagaInput<C>,
    answer?: ChildAnswer<SagaOutput<C>>,
    name: string = child.name,
  ): this {
    return this.#next(async () => {
      const messageId = this.#sent("child", name, undefined);
      const { request } = this.#process.messages.get(messageId) ??
        assert.fail(`"${name}" was answered before`);
      const started = Object(request.input) as { input: unknown; tell: { context: unknown } };
      assert.deepStrictEqual(
        { child: request.type, input: started.input },
        { child: child.name, input: copyOf(input) },
      );
      if (!answer) return;
      this.#process.messages.delete(messageId);
      const end = "completes" in answer
        ? { output: answer.completes }
        : { error: { code: answer.ends, message: answer.message ?? answer.ends } };
      const id = `${request.type}/${request.key}`;
      await this.#process.deliver("$told", copyOf({ id, context: started.tell.context, ...end }));
    });
  }

  /** It sleeps, and that time passes. */
  sleeps(duration: Duration, name = "sleep"): this {
    return this.#next(async () => {
      const dueAt = this.#due("sleep", name, duration);
      await this.#process.passUntil(dueAt ?? this.#process.now);
    });
  }

  /** It waits for a signal, for so long at the most; what comes of it is in `answer`. A second wait is `name#2`. */
  waitsFor(name: string, options: { readonly within?: Duration } = {}, answer?: SignalAnswer): this {
    return this.#next(async () => {
      const { signal = name } = this.#process.pending("waitFor", name).started;
      const dueAt = this.#due("waitFor", name, options.within);
      if (answer === "nothing") {
        if (dueAt === undefined) assert.fail(`The saga waits for "${signal}" without an end`);
        await this.#process.passUntil(dueAt);
      } else if (answer) {
        await this.#process.passUntil(this.#process.now + milliseconds(answer.after ?? "0ms"));
        await this.#process.deliver("signal", { name: signal, payload: copyOf(answer.gets) });
      }
    });
  }

  /** It is sent a signal, whether or not it waits for that. */
  signalled(name: string, payload: unknown): this {
    return this.#next(() => this.#process.deliver("signal", { name, payload: copyOf(payload) }));
  }

  /** It is cancelled. */
  cancelled(reason?: string): this {
    return this.#next(() => this.#process.deliver("cancel", reason === undefined ? {} : { reason }));
  }

  /** Time passes, and what is due happens. */
  passes(duration: Duration): this {
    return this.#next(() => this.#process.passUntil(this.#process.now + milliseconds(duration)));
  }

  /** It takes a step back, which succeeds unless it is said to die. */
  undoes<A extends AnyActivity>(name: string, by: Undoing<A>, answer?: { readonly dies: string }): this {
    return this.#next(async () => {
      const step = this.#process.journal.nextUndo;
      const compensation = step?.name === name ? step.compensation : undefined;
      if (compensation?.status !== "pending") {
        assert.fail(`The saga does not undo "${name}" now. ${this.#process.describe}`);
      }
      this.#checkSent(
        compensation.messageId,
        isRequest(by) ? by : { type: activityType(by[0].name), input: by[1] },
      );
      await this.#process.answer(
        compensation.messageId,
        answer ? { error: { code: "dead-letter", message: answer.dies } } : { output: null },
      );
    });
  }

  /** It has come to its end with this output. @throws {AssertionError} When that, or anything said before, is not so. */
  async completes(output: SagaOutput<S>): Promise<SagaView> {
    const view = await this.ends("completed");
    assert.deepStrictEqual(view.output, copyOf(output ?? null));
    return view;
  }

  /**
   * It has failed, and has taken back what it had done.
   *
   * @param code Of the error: a rejection's, `dead-letter`, a `StepError`'s own, or `run-failed`.
   * @throws {AssertionError} When that, or anything said before, is not so.
   */
  async fails(code: string, details?: unknown): Promise<SagaView> {
    const view = await this.ends("failed");
    assert.deepStrictEqual(
      { code: view.error?.code, ...(details === undefined ? {} : { details: view.error?.details }) },
      { code, ...(details === undefined ? {} : { details }) },
    );
    return view;
  }

  /** It is so now. @throws {AssertionError} When that, or anything said before, is not so. */
  async ends(as: Exclude<SagaView["status"], "new">): Promise<SagaView> {
    await this.#rest;
    const { journal, describe } = this.#process;
    assert.equal(journal.status, as, `The saga should be ${as}. ${describe}`);
    return journal.toJSON();
  }

  /** Tests end with `completes`, `fails` or `ends`. */
  then(): never {
    throw new TypeError("A test was awaited before it was complete: end it with completes, fails or ends");
  }

  #next(say: () => Promise<void>): this {
    this.#rest = this.#rest.then(say);
    this.#rest.catch(() => {}); // the end of the test tells of it
    return this;
  }

  /** The message of a step that waits, which must be as expected. */
  #sent(kind: "ask" | "perform" | "child", name: string, expected: Expected | undefined): string {
    const { messageId } = this.#process.pending(kind, name).started;
    if (messageId === undefined) assert.fail(`Step "${name}" has sent nothing`);
    if (expected) this.#checkSent(messageId, expected);
    return messageId;
  }

  #checkSent(messageId: string, { type, key, command, input }: Expected): void {
    const request = this.#process.messages.get(messageId)?.request;
    if (!request) assert.fail(`Message ${messageId} was answered before`);
    assert.deepStrictEqual(request, {
      type,
      // Whose work an activity is does not matter to what it does.
      key: key ?? request.key,
      command: command ?? request.command,
      input: copyOf(input),
    });
  }

  /** When a step is over that waits for its time; it must be so long after it was asked for. */
  #due(kind: "sleep" | "waitFor", name: string, duration: Duration | undefined): number | undefined {
    const { number, started: { dueAt } } = this.#process.pending(kind, name);
    const askedAt = this.#process.askedAt.get(number) ?? this.#process.now;
    assert.deepStrictEqual(
      { [kind]: name, ms: dueAt === undefined ? undefined : dueAt - askedAt },
      { [kind]: name, ms: duration === undefined ? undefined : milliseconds(duration) },
    );
    return dueAt;
  }
}

type Expected = Pick<CommandRequest, "type" | "input"> & Partial<CommandRequest>;

function isRequest(by: CommandRequest | readonly unknown[]): by is CommandRequest {
  return "command" in by;
}

function answerOf(answer: AskAnswer<unknown, unknown>, { type, key, command }: CommandRequest): Answer {
  if ("replies" in answer) return { output: answer.replies ?? null };
  if ("dies" in answer) return { error: { code: "dead-letter", message: answer.dies } };
  const { rejects: code, details } = answer;
  const message = `${type}/${key} rejected ${command}: ${code}`;
  return { error: { code, message, ...(details === undefined ? {} : { details }) } };
}

function milliseconds(duration: Duration): number {
  const ms = parseDuration(duration);
  if (ms === undefined) throw new TypeError(`Cannot use "${duration}": not a duration`);
  return ms;
}

/** As it comes back from a disk. */
function copyOf(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
