import { z } from "zod";
import type { RecordedEvent } from "../core/event.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SagaStatus } from "../runtime/sagas.ts";

/** When something began, and when it came to its end; in epoch milliseconds, undefined where it is not known. */
export interface Span {
  readonly from?: number;
  readonly to?: number;
}

/** When a step was asked for and ended, and when it was undone. */
export interface StepTimes {
  readonly step: Span;
  readonly undo: Span;
}

/** Newest events of an instance that are looked through; of steps before them, no times are shown. */
const EVENTS_MAX = 2_000;
const Started = z.object({ step: z.number(), name: z.string() });
const Later = z.object({ step: z.number() });

/** When the steps of an instance happened, by their names: its events say it. */
export async function stepTimes(
  runtime: Pick<Runtime, "stream">,
  { saga, id, version }: Pick<SagaStatus, "saga" | "id" | "version">,
): Promise<ReadonlyMap<string, StepTimes>> {
  const times = new Map<string, StepTimes>();
  const names = new Map<number, string>();
  let after = Math.max(0, version - EVENTS_MAX);
  while (true) {
    const { events, hasMore } = await runtime.stream(saga, id, { after, upTo: version, limit: EVENTS_MAX });
    takeTimes(events, times, names);
    if (!hasMore) return times;
    after = events.at(-1)?.version ?? version;
  }
}

/** @param names Of the steps so far, by their numbers. */
function takeTimes(
  events: readonly Pick<RecordedEvent, "type" | "payload" | "at">[],
  times: Map<string, StepTimes>,
  names: Map<number, string>,
): void {
  for (const { type, payload, at } of events) {
    // Steps of a run that was continued as new are not shown.
    if (type === "Continued") [times, names].forEach((each) => each.clear());
    const started = type === "StepStarted" ? Started.safeParse(payload).data : undefined;
    if (started) {
      names.set(started.step, started.name);
      times.set(started.name, { step: { from: at }, undo: {} });
    }
    const name = names.get(Later.safeParse(payload).data?.step ?? -1);
    const before = name === undefined ? undefined : times.get(name);
    const next = before && after(before, type, at);
    if (name !== undefined && next) times.set(name, next);
  }
}

function after({ step, undo }: StepTimes, type: string, at: number): StepTimes | undefined {
  switch (type) {
    case "StepDone":
    case "StepFailed":
      return { step: { ...step, to: at }, undo };
    case "CompensationStarted":
      return { step, undo: { from: at } };
    case "CompensationDone":
    case "Stuck":
      return { step, undo: { ...undo, to: at } };
    default:
      return undefined;
  }
}
