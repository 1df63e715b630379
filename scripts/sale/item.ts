import { actor, command } from "folio";
import { z } from "zod";

/** Something of which there are only so many. */
export const item = actor("item", {
  initialState: () => ({ left: 0 }),
  events: { Stocked: z.object({ count: z.int() }), Sold: z.object({ order: z.string() }) },
  rejections: { "sold-out": z.object({}) },
  evolve: {
    Stocked: (state, { count }) => ({ left: state.left + count }),
    Sold: (state) => ({ left: state.left - 1 }),
  },
  commands: {
    stock: command(z.object({ count: z.int().positive() }), (turn, { count }) => {
      turn.emit("Stocked", { count });
    }),
    order: command(z.object({ order: z.string() }), (turn, { order }) => {
      if (turn.state.left === 0) turn.reject("sold-out");
      turn.emit("Sold", { order });
      return { left: turn.state.left };
    }, { reply: z.object({ left: z.int() }) }),
  },
});

export default [item];
