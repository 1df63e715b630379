import { actor, command } from "folio";
import { z } from "zod";

const Named = z.object({ tag: z.int(), name: z.string() });

/** Sets timers, sets them anew and drops them; the log tells which of them must have rung, and when. */
export const alarm = actor("alarm", {
  initialState: () => ({ events: 0 }),
  events: {
    Armed: Named.extend({ dueAt: z.int() }),
    Dropped: Named,
    Rang: z.object({ tag: z.int() }),
  },
  evolve: {
    Armed: ({ events }) => ({ events: events + 1 }),
    Dropped: ({ events }) => ({ events: events + 1 }),
    Rang: ({ events }) => ({ events: events + 1 }),
  },
  commands: {
    arm: command(Named.extend({ afterMs: z.int() }), (turn, { tag, name, afterMs }) => {
      const dueAt = turn.now + afterMs;
      turn.emit("Armed", { tag, name, dueAt });
      turn.schedule(name, { at: dueAt }, { type: "alarm", key: turn.key, command: "ring", input: { tag } });
      return turn.state;
    }),
    drop: command(Named, (turn, { tag, name }) => {
      turn.emit("Dropped", { tag, name });
      turn.cancel(name);
      return turn.state;
    }),
    ring: command(z.object({ tag: z.int() }), (turn, { tag }) => turn.emit("Rang", { tag })),
  },
});
