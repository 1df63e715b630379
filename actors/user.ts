import { actor, command } from "folio";
import { z } from "zod";

const SignUp = z.object({ email: z.email(), name: z.string().min(1).max(200) });

/** Somebody who has signed up. What follows from it is the `welcome` reactor's. */
export const user = actor("user", {
  initialState: () => ({ email: "", name: "" }),
  events: { SignedUp: SignUp },
  rejections: { "already-signed-up": z.object({}) },
  evolve: { SignedUp: (_, event) => ({ email: event.email, name: event.name }) },
  commands: {
    "sign-up": command(SignUp, (turn, input) => {
      if (turn.version > 0) turn.reject("already-signed-up");
      turn.emit("SignedUp", input);
      return { email: input.email };
    }, { reply: z.object({ email: z.string() }) }),
  },
});
