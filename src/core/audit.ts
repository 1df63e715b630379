import { z } from "zod";
import { actor, type AnyActor } from "./actor.ts";
import { command } from "./command.ts";

/** What somebody did in the console. When is the time of its event. */
const Act = z.strictObject({
  /** The name given when signing in: everybody has the same token. */
  who: z.string().max(64),
  /** E.g. `discard`. */
  action: z.string().max(64),
  /** To what, e.g. `message m-1`. */
  target: z.string().max(2_000),
  /** Whether it was done; otherwise it was refused. */
  isDone: z.boolean(),
});
export type Act = z.output<typeof Act>;

export const AUDIT_TYPE = "console-audit";
export const AUDIT_KEY = "console";

/** Keeps in its log what was done in the console. */
export const auditActor: AnyActor = actor(AUDIT_TYPE, {
  initialState: () => ({ acts: 0 }),
  events: { Acted: Act },
  evolve: { Acted: ({ acts }) => ({ acts: acts + 1 }) },
  commands: { record: command(Act, (turn, act) => turn.emit("Acted", act)) },
});

/** The command that records one. */
export function auditRequest(act: Act) {
  return { type: AUDIT_TYPE, key: AUDIT_KEY, command: "record", input: act };
}
