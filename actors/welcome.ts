import { actor, command, reactor } from "folio";
import { z } from "zod";
import { user } from "./user.ts";

const tasks = ["send-welcome-email", "check-fraud", "create-customer", "notify-channel"] as const;
const Request = z.object({ task: z.enum(tasks), email: z.string(), name: z.string() });

/** What is to be done for a new user: a record for each user, from which the work is started. */
export const onboarding = actor("onboarding", {
  initialState: () => ({ requested: [] as string[] }),
  events: { Requested: Request },
  evolve: { Requested: (state, event) => ({ requested: [...state.requested, event.task] }) },
  commands: {
    request: command(Request, (turn, input) => {
      if (!turn.state.requested.includes(input.task)) turn.emit("Requested", input);
    }),
  },
});

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
