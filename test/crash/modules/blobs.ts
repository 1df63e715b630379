import { actor, command } from "folio";
import { z } from "zod";

/** Keeps texts, so that disks fill up. */
const blob = actor("blob", {
  initialState: () => ({ count: 0, chars: 0 }),
  events: { Put: z.object({ n: z.int(), text: z.string() }) },
  evolve: {
    Put: (state, event) => ({ count: state.count + 1, chars: state.chars + event.text.length }),
  },
  commands: {
    put: command(z.object({ n: z.int(), text: z.string() }), (turn, { n, text }) => {
      turn.emit("Put", { n, text });
      return { count: turn.state.count };
    }),
  },
});

export default [blob];
