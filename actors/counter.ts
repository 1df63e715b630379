import { actor, command } from "folio";
import { z } from "zod";

const By = z.object({ by: z.int().min(1).max(1_000_000).default(1) });
const Value = z.object({ value: z.int() });

/** The smallest actor: a number that goes up and down. */
export const counter = actor("counter", {
  initialState: () => ({ value: 0 }),
  events: {
    Incremented: z.object({ by: z.int() }),
    Decremented: z.object({ by: z.int() }),
    Reset: z.object({}),
  },
  evolve: {
    Incremented: (state, event) => ({ value: state.value + event.by }),
    Decremented: (state, event) => ({ value: state.value - event.by }),
    Reset: () => ({ value: 0 }),
  },
  commands: {
    increment: command(By, (turn, input) => {
      turn.emit("Incremented", { by: input.by });
      return { value: turn.state.value };
    }, { reply: Value }),
    decrement: command(By, (turn, input) => {
      turn.emit("Decremented", { by: input.by });
      return { value: turn.state.value };
    }, { reply: Value }),
    reset: command(z.object({}), (turn) => {
      turn.emit("Reset", {});
      return { value: turn.state.value };
    }, { reply: Value }),
  },
});
