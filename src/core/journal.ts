import { z } from "zod";
import type { CommandRequest } from "./command.ts";
import type { SagaEvent, SagaFailure, SagaPayload, StepKind } from "./saga_events.ts";
import { type SagaView, sagaViewOf } from "./saga_view.ts";

/** One step, as far as it has got. */
export interface StepRecord {
  readonly number: number;
  readonly kind: StepKind;
  /** Unique within one run. */
  readonly name: string;
  readonly started: SagaPayload<"StepStarted">;
  status: "pending" | "done" | "failed";
  output?: unknown;
  isTimeout?: boolean | undefined;
  error?: SagaFailure | undefined;
  undo?: CommandRequest | undefined;
  compensation?: {
    status: "pending" | "done" | "stuck";
    readonly messageId: string;
    readonly to: string;
    error?: SagaFailure;
  };
}

/** A step's end, in the order in which `run` was told. */
export interface StepEnd {
  readonly step: StepRecord;
  /** How many steps had been asked for by then. */
  readonly after: number;
}

export type JournalStatus =
  | "new"
  | "running"
  | "compensating"
  | "stuck"
  | "completed"
  | "failed"
  | "cancelled"
  | "timed-out";

const Snapshot = z.object({
  before: z.int(),
  continued: z.int(),
  events: z.array(z.tuple([z.string(), z.unknown()])),
});

/**
 * The state of a saga instance, folded from its events. Unlike the states of other actors it changes in place,
 * so that a step costs the same however many there were before; `upTo` is the way back.
 */
export class Journal {
  readonly #events: SagaEvent[] = [];
  /** Events before those in `#events`: of runs that were continued as new. */
  readonly #before: number;
  readonly #steps: StepRecord[] = [];
  readonly #ends: StepEnd[] = [];
  /** Steps that `run` waits for, or that must end before anything is undone. */
  readonly #pending = new Set<StepRecord>();
  /** Steps that can be undone, in the order they were done. */
  readonly #undoable: StepRecord[] = [];
  #signals: SagaPayload<"SignalReceived">[] = [];
  #status: JournalStatus = "new";
  #started: SagaPayload<"Started"> | undefined;
  #aborted: SagaPayload<"Aborted"> | undefined;
  #output: unknown;
  /** How many runs were continued as new before this one. */
  readonly #continued: number;

  constructor(before = 0, continued = 0) {
    this.#before = before;
    this.#continued = continued;
  }

  get status(): JournalStatus {
    return this.#status;
  }

  get isEnded(): boolean {
    return !["new", "running", "compensating", "stuck"].includes(this.#status);
  }

  get started(): SagaPayload<"Started"> | undefined {
    return this.#started;
  }

  get aborted(): SagaPayload<"Aborted"> | undefined {
    return this.#aborted;
  }

  get output(): unknown {
    return this.#output;
  }

  get steps(): readonly StepRecord[] {
    return this.#steps;
  }

  /** Ends that `run` has been told of. */
  get ends(): readonly StepEnd[] {
    return this.#ends;
  }

  get pending(): ReadonlySet<StepRecord> {
    return this.#pending;
  }

  get signals(): readonly SagaPayload<"SignalReceived">[] {
    return this.#signals;
  }

  get continued(): number {
    return this.#continued;
  }

  /** The step that is undone next, or is being undone. */
  get nextUndo(): StepRecord | undefined {
    return this.#undoable.at(-1);
  }

  /** The journal after an event: this one, changed, or a new one. */
  after(event: SagaEvent): Journal {
    const [type, payload] = event;
    if (type === "Continued") return this.#continueWith(payload.input);
    this.#events.push(event);
    switch (type) {
      case "Started":
        this.#started = payload;
        this.#status = "running";
        break;
      case "StepStarted":
        this.#startStep(payload);
        break;
      case "StepDone":
        this.#endStep(this.#step(payload.step), { ...payload, status: "done" });
        break;
      case "StepFailed":
        this.#endStep(this.#step(payload.step), { error: payload.error, status: "failed" });
        break;
      case "SignalReceived":
        this.#signals.push(payload);
        break;
      case "Aborted":
        this.#aborted = payload;
        this.#status = "compensating";
        // Nothing of these is left to be undone, however they end.
        for (const step of this.#pending) if (!mustBeAwaited(step)) this.#pending.delete(step);
        break;
      case "CompensationStarted":
        this.#status = "compensating";
        this.#step(payload.step).compensation = {
          status: "pending",
          messageId: payload.messageId,
          to: payload.to,
        };
        break;
      case "CompensationDone":
        this.#status = "compensating";
        this.#undoable.pop();
        Object.assign(this.#compensation(payload.step), { status: "done", error: undefined });
        break;
      case "Stuck":
        this.#status = "stuck";
        Object.assign(this.#compensation(payload.step), { status: "stuck", error: payload.error });
        break;
      case "Completed":
        this.#status = "completed";
        this.#output = payload.output;
        this.#pending.clear();
        break;
      case "Failed":
        this.#status = "failed";
        break;
      case "Cancelled":
        this.#status = "cancelled";
        break;
      case "TimedOut":
        this.#status = "timed-out";
    }
    return this;
  }

  /** The journal as it was after so many events of its stream. */
  upTo(version: number): Journal {
    return Journal.of(this.#events.slice(0, version - this.#before), this.#before, this.#continued);
  }

  static of(events: readonly SagaEvent[], before = 0, continued = 0): Journal {
    let journal = new Journal(before, continued);
    for (const event of events) journal = journal.after(event);
    return journal;
  }

  /** What `revived` makes it from again, as JSON: worth it while the journal is short. */
  toSnapshot(): unknown {
    return { before: this.#before, continued: this.#continued, events: this.#events };
  }

  /** @param snapshot What `toSnapshot` has given. */
  static revived(snapshot: unknown): Journal {
    const { before, continued, events } = Snapshot.parse(snapshot);
    // As they were parsed before they were recorded.
    return Journal.of(events as readonly SagaEvent[], before, continued);
  }

  /** As it is shown to readers. */
  toJSON(): SagaView {
    return sagaViewOf(this);
  }

  #step(number: number): StepRecord {
    const step = this.#steps[number];
    if (!step) throw new RangeError(`there is no step ${number}`);
    return step;
  }

  #compensation(number: number): NonNullable<StepRecord["compensation"]> {
    const { compensation } = this.#step(number);
    if (!compensation) throw new RangeError(`step ${number} is not being undone`);
    return compensation;
  }

  #startStep(started: SagaPayload<"StepStarted">): void {
    const { step: number, kind, name } = started;
    const step: StepRecord = { number, kind, name, started, status: "pending" };
    this.#steps.push(step);
    if (started.value === undefined) this.#pending.add(step);
    else Object.assign(step, { status: "done", output: started.value });
  }

  #endStep(step: StepRecord, end: Pick<StepRecord, "status"> & Partial<StepRecord>): void {
    const { status, output, isTimeout, error, undo } = end;
    Object.assign(step, { status, output, isTimeout, error, undo });
    this.#pending.delete(step);
    if (this.#status === "running") this.#ends.push({ step, after: this.#steps.length });
    if (undo) this.#undoable.push(step);
    if (step.kind !== "waitFor" || status !== "done" || isTimeout) return;
    const taken = this.#signals.findIndex(({ name }) => name === step.started.signal);
    this.#signals.splice(taken, 1);
  }

  #continueWith(input: unknown): Journal {
    if (!this.#started) throw new RangeError("there is nothing to be continued");
    const events: SagaEvent[] = [["Started", { ...this.#started, input }]];
    for (const signal of this.#signals) events.push(["SignalReceived", signal]);
    const version = this.#before + this.#events.length + 1;
    return Journal.of(events, version - events.length, this.#continued + 1);
  }
}

/** Whether a step in flight may yet do something that has to be undone. */
export function mustBeAwaited({ kind, started }: StepRecord): boolean {
  return kind === "child" || started.isUndoable === true;
}
