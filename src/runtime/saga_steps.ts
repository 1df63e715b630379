import { activityType } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { errorMessage } from "../core/errors.ts";
import type { StepRecord } from "../core/journal.ts";
import { invalidKeyReason } from "../core/message.ts";
import type { StepContext } from "../core/saga_actor.ts";
import { PartedError } from "./recorded_steps.ts";
import type { Call, Effect } from "./saga_call.ts";
import { failureOf, type SagaInstance } from "./saga_instance.ts";

/** Effects that are messages to others. */
type Message = Extract<Effect, { kind: "ask" | "perform" | "child" }>;

/**
 * Lets a step that `run` has asked for join the journal, and what it sends or sets join the turn.
 *
 * @returns What may end the step in this very turn.
 */
export function startStep(instance: SagaInstance, call: Call): ((step: StepRecord) => void) | undefined {
  const { effect, kind, name } = call;
  const { turn } = instance;
  const number = instance.journal.steps.length;
  const common = { step: number, kind, name };
  const start = (more: { value?: unknown; dueAt?: number; signal?: string } = {}) =>
    instance.emit("StepStarted", { ...common, ...more });
  switch (effect.kind) {
    case "value":
      start({ value: effect.value });
      return undefined;
    case "invalid":
      start();
      return () => instance.emit("StepFailed", { step: number, error: failureOf(effect.error) });
    case "sleep": {
      const dueAt = turn.now + effect.ms;
      start({ dueAt });
      instance.setTimer(number, dueAt);
      return undefined;
    }
    case "waitFor": {
      const { signal, withinMs } = effect;
      if (withinMs === undefined) start({ signal });
      else {
        start({ signal, dueAt: turn.now + withinMs });
        instance.setTimer(number, turn.now + withinMs);
      }
      return (step) => {
        const early = instance.journal.signals.find((received) => received.name === signal);
        if (early) instance.endWait(step, early.payload);
      };
    }
    default:
      return startMessage(instance, call, effect);
  }
}

function startMessage(
  instance: SagaInstance,
  { kind, name, undo }: Call,
  effect: Message,
): ((step: StepRecord) => void) | undefined {
  const { turn, journal } = instance;
  const step = journal.steps.length;
  const context = { step, run: journal.continued, isUndo: false };
  let request: CommandRequest;
  try {
    request = requestOf(instance, effect, name, context);
  } catch (error) {
    instance.emit("StepStarted", { step, kind, name });
    return () => instance.emit("StepFailed", { step, error: failureOf(error) });
  }
  const id = turn.id();
  const isUndoable = undo ? { isUndoable: true } : {};
  const to = `${request.type}/${request.key}`;
  instance.emit("StepStarted", { step, kind, name, messageId: id, to, ...isUndoable });
  // A child tells of its end itself, and the message that starts it only of its failure.
  const done = effect.kind === "child" ? null : "$told";
  turn.pushSend({ request, delayMs: 0, id, replyTo: instance.replyTo(context, done) });
  return undefined;
}

/** @throws When it could not be handled by whom it is for. */
function requestOf(
  instance: SagaInstance,
  effect: Message,
  name: string,
  context: StepContext,
): CommandRequest {
  const { world, saga, journal } = instance;
  if (effect.kind === "ask") {
    world.checkRequest(effect.request);
    return instance.turn.copyOf(effect.request);
  }
  if (effect.kind === "perform") {
    const { activity, input, key } = effect;
    const badKey = invalidKeyReason(key);
    if (badKey) throw new TypeError(`Cannot perform ${activity.name}: its key cannot be used, ${badKey}`);
    world.checkActivity(activity, input);
    return instance.turn.copyOf({ type: activityType(activity.name), key, command: "run", input });
  }
  const { key: id } = instance.input;
  // So that no other instance, run or step gives its child this key: the last colon is before the step's name.
  const run = journal.continued > 0 || /~\d+$/.test(id) ? `~${journal.continued}` : "";
  const key = `${saga.name}:${id}${run}:${name.replaceAll("%", "%25").replaceAll(":", "%3A")}`;
  const input = { input: effect.input, tell: { actor: instance.actor, context } };
  const request = { type: effect.saga.name, key, command: "start", input };
  world.checkRequest(request);
  return instance.turn.copyOf(request);
}

/**
 * What takes back a step that is done, if it can be.
 *
 * @throws {PartedError} When it cannot be said: a step whose way back is not known must not be recorded as done.
 */
export function undoOf(instance: SagaInstance, call: Call, output: unknown): CommandRequest | undefined {
  try {
    const undo = call.undo?.(output);
    if (!undo) return undefined;
    if ("command" in undo) {
      instance.world.checkRequest(undo);
      return instance.turn.copyOf(undo);
    }
    const [activity, input] = undo;
    instance.world.checkActivity(activity, input);
    return instance.turn.copyOf({ type: activityType(activity.name), key: "-", command: "run", input });
  } catch (error) {
    const reason = `undo of ${call.kind} "${call.name}" fails, ${errorMessage(error)}`;
    throw new PartedError(`${instance.actor} cannot go on: ${reason}`, { cause: error });
  }
}
