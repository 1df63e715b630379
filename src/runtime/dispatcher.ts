import { Journal } from "../core/journal.ts";
import { aboutMessage } from "../core/log.ts";
import type { AnySaga } from "../core/saga.ts";
import type { Activation } from "./activation.ts";
import type { Entry } from "./mailbox.ts";
import type { Outgoing } from "./outgoing.ts";
import { rolledBack, SagaTurn, type SagaTurnResult } from "./saga_turn.ts";
import { Settlement, type SettlementOwner } from "./settlement.ts";
import { runTurn, type TurnInput, type TurnResult, type TurnWorld } from "./turn.ts";

/** What the dispatcher needs of its shard. */
export interface DispatcherOwner extends SettlementOwner {
  readonly outgoing: Outgoing;
  load(activation: Activation): void;
}

/**
 * Takes messages out of mailboxes, one turn after the other, and lets what each turn changes join the open
 * commit.
 *
 * Invariants:
 * 1. One actor has one turn at a time, in mailbox order; actors take turns.
 * 2. A turn that fails changes nothing, and takes no position.
 * 3. A message leaves its mailbox only when it is done, rejected or dead, or its caller was told that it failed
 *    (`Settlement`).
 */
export class Dispatcher {
  #ready: Activation[] = [];
  #running = false;
  #stopped = false;
  readonly #settlement: Settlement;
  readonly #turnWorld: { -readonly [K in keyof TurnWorld]: TurnWorld[K] };

  constructor(private readonly owner: DispatcherOwner) {
    this.#settlement = new Settlement(owner);
    const { ids, limits, registry } = owner.world;
    this.#turnWorld = {
      now: 0,
      ids,
      limits,
      checkRequest: (request) => void registry.parse(request),
      checkActivity: (activity, input) => void registry.parseActivity(activity, input),
    };
  }

  /** Forgets who is ready: all activations are dropped. */
  reset(): void {
    this.#ready = [];
  }

  /** Gives an activation its turn when it has something ready, now if nothing else runs. */
  schedule(activation: Activation): void {
    if (activation.phase === "cold" && activation.mailbox.length > 0) this.owner.load(activation);
    if (activation.scheduled || !isReady(activation)) return;
    activation.scheduled = true;
    this.#ready.push(activation);
    // What runs while a change joins would be part of it.
    if (!this.#running && !this.owner.committer.isChanging) this.run();
  }

  /** Lets a newly loaded activation begin, unless its first message waits for its next attempt. */
  begin(activation: Activation): void {
    activation.phase = "live";
    const waitMs = (activation.mailbox.peek()?.nextAttemptAt ?? 0) - this.owner.world.clock.now();
    if (waitMs > 0) this.#hold(activation, waitMs);
    else this.schedule(activation);
  }

  /** Runs no more turns: what is in the mailboxes stays there. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs turns until none is ready or the commit is full. */
  run(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    try {
      for (let next = 0; next < this.#ready.length; next++) {
        if (this.owner.committer.isFull || !this.owner.committer.isAccepting) {
          this.#ready.splice(0, next);
          return;
        }
        const activation = this.#ready[next] as Activation;
        activation.scheduled = false;
        if (!isReady(activation)) continue;
        this.#handle(activation, activation.mailbox.peek() as Entry);
        if (isReady(activation)) {
          activation.scheduled = true;
          this.#ready.push(activation);
        }
      }
      this.#ready.length = 0;
    } finally {
      this.#running = false;
      this.owner.committer.flushSoon();
    }
  }

  #handle(activation: Activation, entry: Entry): void {
    const { message } = entry;
    const { world, shard } = this.owner;
    const refused = this.owner.refusals.open(entry);
    if (refused) return this.#refused(activation, entry, refused);
    if (activation.result) return this.#takeSagaTurn(activation, entry, activation.result);
    if (activation.loadError !== undefined || !activation.actor) {
      return this.#failed(activation, entry, activation.loadError);
    }
    if (message.expectedVersion !== null && !isExpected(message.expectedVersion, activation.version)) {
      return this.#settlement.unexpectedVersion(activation, entry, message.expectedVersion);
    }
    this.#turnWorld.now = this.owner.recorder.now();
    if (message.expiresAt !== null && this.#turnWorld.now >= message.expiresAt) {
      return this.#settlement.rejected(activation, entry, "expired", { expiresAt: message.expiresAt });
    }
    world.observer?.began?.(message, shard, entry.attempts + 1);
    const input = {
      key: activation.key,
      state: activation.state,
      version: activation.version,
      command: message.command,
      input: message.input,
      parsedInput: entry.parsedInput,
    };
    if (activation.actor.saga) this.#startSagaTurn(activation, activation.actor.saga, entry, input);
    else this.#take(activation, entry, runTurn(activation.actor, input, this.#turnWorld));
  }

  /** A saga's turn takes a while, in which other actors have theirs; then the activation is ready once more. */
  #startSagaTurn(activation: Activation, saga: AnySaga, entry: Entry, input: TurnInput): void {
    const { clock, log } = this.owner.world;
    const quiet = () => new Promise<void>((resolve) => clock.soon(resolve));
    const turn = new SagaTurn(saga, input, { ...this.#turnWorld, log, quiet }, activation.run);
    activation.phase = "running";
    turn.result().then((result) => {
      // Where the shard has been loaded again meanwhile, all of this is void.
      if (activation.phase !== "running" || activation.mailbox.peek() !== entry) return;
      activation.phase = "ran";
      activation.run = turn.run;
      activation.result = result;
      this.schedule(activation);
    });
  }

  #takeSagaTurn(activation: Activation, entry: Entry, result: SagaTurnResult): void {
    activation.phase = "live";
    activation.result = undefined;
    this.#turnWorld.now = this.owner.recorder.now();
    const isTaken = result.kind !== "stopped" && this.#take(activation, entry, result);
    // What it did to the journal and the run counts for nothing.
    if (!isTaken) activation.state = rolledBack(activation.state, activation.version);
    if (!isTaken || (activation.state instanceof Journal && activation.state.isEnded)) {
      activation.run = undefined;
    }
    if (result.kind === "stopped") this.#stop(activation, entry, result.error);
    for (const reader of activation.readers.splice(0)) reader.resolve();
  }

  /** The store has refused what came of the message's turn: the attempt has failed. */
  #refused(activation: Activation, entry: Entry, error: Error): void {
    const { refusals, world, shard } = this.owner;
    if (!refusals.whyHeld(entry)) return this.#failed(activation, entry, error);
    activation.phase = "held";
    activation.stopped = error.message;
    const fields = { shard, ...aboutMessage(entry.message), error: error.message };
    world.log(
      "error",
      "Actor stands still until the next start: the store takes nothing of its message",
      fields,
    );
  }

  /** A saga's messages wait until the process starts again, with code that fits what the saga has recorded. */
  #stop(activation: Activation, { message }: Entry, error: Error): void {
    activation.phase = "held";
    activation.stopped = error.message;
    this.owner.world.log("error", "Saga is stopped: its code does not fit what it has recorded", {
      shard: this.owner.shard,
      actor: message.actor,
      messageId: message.id,
      error: error.message,
    });
  }

  /** Lets what came of a turn join the open commit. @returns Whether it has; otherwise the turn has failed. */
  #take(activation: Activation, entry: Entry, result: TurnResult): boolean {
    const full = result.kind === "done" ? this.owner.outgoing.whyNoRoom(result.sends) : undefined;
    if (result.kind === "failed" || full) {
      this.#failed(activation, entry, result.kind === "failed" ? result.error : full);
      return false;
    }
    if (result.kind === "rejected") {
      this.#settlement.rejected(activation, entry, result.rejection, result.details);
      return true;
    }
    let snapshot: string | undefined;
    try {
      const isDue = isSnapshotDue(activation, result) && !this.owner.refusals.isBare(activation.name);
      if (isDue) snapshot = snapshotText(result.state);
    } catch (error) {
      this.#failed(activation, entry, error);
      return false;
    }
    const { recorder } = this.owner;
    recorder.ending(entry, () => {
      recorder.turn(activation, entry, result, snapshot, this.#turnWorld.now);
      this.#settlement.done(activation, entry, result.reply);
    }, snapshot !== undefined);
    return true;
  }

  /** A turn has failed: its message is tried again after a while, or has left its mailbox. */
  #failed(activation: Activation, entry: Entry, error: unknown): void {
    const delayMs = this.#settlement.failed(activation, entry, error);
    if (delayMs !== undefined) this.#hold(activation, delayMs);
  }

  /** Keeps an actor from its mailbox for a while. */
  #hold(activation: Activation, delayMs: number): void {
    activation.phase = "held";
    this.owner.world.clock.after(delayMs, () => {
      if (activation.phase !== "held") return;
      activation.phase = "live";
      this.schedule(activation);
    });
  }
}

function isSnapshotDue(
  { actor, snapshotVersion }: Activation,
  { version, events }: TurnResult & { kind: "done" },
): boolean {
  // A saga's journal is as long as its history, except where it has begun anew.
  if (actor?.saga) return events.some(({ type }) => type === "Continued");
  return actor !== undefined && version - snapshotVersion >= actor.snapshotEvery;
}

function snapshotText(state: unknown): string {
  return JSON.stringify(state instanceof Journal ? state.toSnapshot() : state);
}

function isReady(activation: Activation): boolean {
  return (activation.phase === "live" || activation.phase === "ran") &&
    activation.mailbox.peek()?.ready === true;
}

/** @param expected `*`, or versions parted by commas. */
function isExpected(expected: string, version: number): boolean {
  return expected === "*" ? version > 0 : expected.split(",").includes(String(version));
}
