import { actor, command, reactor } from "folio";
import { z } from "zod";
import { checkFraud, createCustomer, notifyChannel } from "./customers.ts";
import { sendWelcomeEmail } from "./mail.ts";
import { user } from "./user.ts";

const activities = {
  "send-welcome-email": sendWelcomeEmail,
  "check-fraud": checkFraud,
  "create-customer": createCustomer,
  "notify-channel": notifyChannel,
} as const;
const tasks = ["send-welcome-email", "check-fraud", "create-customer", "notify-channel"] as const;
const Task = z.enum(tasks);
const Request = z.object({ task: Task, email: z.email(), name: z.string() });

/** What an activity has given, or why it has given nothing. */
type Result = { readonly output: unknown } | { readonly error: string };

/** What is done for a new user, one actor for each: what was asked for, and what came of it. */
export const onboarding = actor("onboarding", {
  initialState: () => ({
    requested: [] as string[],
    results: {} as Partial<Record<(typeof tasks)[number], Result>>,
    isComplete: false,
  }),
  events: {
    Requested: Request,
    Done: z.object({ task: Task, output: z.unknown() }),
    Failed: z.object({ task: Task, error: z.string() }),
  },
  evolve: {
    Requested: (state, event) => ({ ...state, requested: [...state.requested, event.task] }),
    Done: (state, { task, output }) => withResult(state, task, { output }),
    Failed: (state, { task, error }) => withResult(state, task, { error }),
  },
  commands: {
    request: command(Request, (turn, { task, email, name }) => {
      if (turn.state.requested.includes(task)) return;
      turn.emit("Requested", { task, email, name });
      turn.perform(activities[task], { email, name }, {
        onDone: "finish",
        onFailed: "fail",
        context: task,
      });
    }, { isInternal: true }),
    /** Sent when an activity is done. */
    finish: command(
      z.object({ id: z.string(), context: Task, output: z.unknown() }),
      (turn, { context: task, output }) => {
        const result = turn.state.results[task];
        if (!result || "error" in result) turn.emit("Done", { task, output });
      },
      { isInternal: true },
    ),
    /** Sent when an activity has failed for good; one that is redriven may be done after all. */
    fail: command(
      z.object({ id: z.string(), context: Task, error: z.object({ code: z.string(), message: z.string() }) }),
      (turn, { context: task, error }) => {
        const result = turn.state.results[task];
        if (!result) turn.emit("Failed", { task, error: error.message });
      },
      { isInternal: true },
    ),
  },
});

function withResult<State extends { readonly requested: string[]; readonly results: object }>(
  state: State,
  task: string,
  result: Result,
) {
  const results = { ...state.results, [task]: result };
  const isComplete = tasks.every((name) => name in results && "output" in Object(results[name]));
  return { ...state, results, isComplete };
}

/** Fans a sign-up out to all that has to follow from it. */
export const welcome = reactor("welcome", {
  from: [user],
  startFrom: "beginning",
  on: {
    "user/SignedUp": (react, event) => {
      for (const task of tasks) react.send(onboarding.ref(event.key).request({ task, ...event.payload }));
    },
  },
});
