import { AsyncLocalStorage } from "node:async_hooks";
import type { aboutMessage } from "../core/log.ts";

/** What tells a message. */
type AboutMessage = Parameters<typeof aboutMessage>[0];

/** Which attempt code is of, as far as its promises and timers go. */
const context = new AsyncLocalStorage<AboutMessage>();

/** Runs an attempt of an activity, so that what goes astray in it is known to be its. */
export function runAttemptAt<T>(message: AboutMessage, run: () => T): T {
  return context.run(message, run);
}

/** The message at which the code that runs now is an attempt; undefined where it is of none. */
export function presentAttempt(): AboutMessage | undefined {
  return context.getStore();
}
