import { actor, command } from "folio";
import { z } from "zod";

const Tag = z.object({ tag: z.int() });

/** Sealed after a few events, and opened again now and then: archived whenever the server looks for what is closed. */
export const parcel = actor("parcel", {
  initialState: () => ({ events: 0 }),
  archive: { closedBy: ["Sealed"], after: "1ms" },
  events: { Packed: Tag, Sealed: Tag },
  evolve: {
    Packed: ({ events }) => ({ events: events + 1 }),
    Sealed: ({ events }) => ({ events: events + 1 }),
  },
  commands: {
    pack: command(Tag, (turn, { tag }) => {
      turn.emit("Packed", { tag });
      return turn.state;
    }),
    seal: command(Tag, (turn, { tag }) => {
      turn.emit("Sealed", { tag });
      return turn.state;
    }),
  },
});
