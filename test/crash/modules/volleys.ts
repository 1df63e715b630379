import { actor, command } from "folio";
import { z } from "zod";
import { move, stamp } from "./moves.ts";

const Tag = z.object({ tag: z.int() });

/**
 * One command that leaves every kind of row in one commit: an event, a snapshot, its reply, messages to actors of this
 * shard and of another, a timer, an activity, the start of a saga. Whatever comes of them is recorded here, once.
 */
export const volley = actor("volley", {
  initialState: () => ({ events: 0 }),
  snapshot: { every: 1 },
  events: { Fired: Tag.extend({ to: z.array(z.string()) }), Heard: Tag, Burst: Tag, Stamped: Tag },
  evolve: {
    Fired: ({ events }) => ({ events: events + 1 }),
    Heard: ({ events }) => ({ events: events + 1 }),
    Burst: ({ events }) => ({ events: events + 1 }),
    Stamped: ({ events }) => ({ events: events + 1 }),
  },
  commands: {
    fire: command(
      Tag.extend({ to: z.array(z.string()), afterMs: z.int(), vaults: z.tuple([z.string(), z.string()]) }),
      (turn, { tag, to, afterMs, vaults: [giver, taker] }) => {
        const self = (key: string, name: string) => ({ type: "volley", key, command: name, input: { tag } });
        turn.emit("Fired", { tag, to });
        for (const key of to) turn.send(self(key, "hear"));
        turn.schedule("fuse", { at: turn.now + afterMs }, self(turn.key, "burst"));
        turn.perform(stamp, { move: String(tag) }, { onDone: "stamped" });
        turn.send(move.ref(`v${tag}`).start({ move: `v${tag}`, from: giver, to: taker, isWanted: true }));
        return turn.state;
      },
    ),
    hear: command(Tag, (turn, { tag }) => turn.emit("Heard", { tag })),
    burst: command(Tag, (turn, { tag }) => turn.emit("Burst", { tag })),
    stamped: command(
      z.object({ output: z.object({ move: z.string() }) }),
      (turn, { output }) => turn.emit("Stamped", { tag: Number(output.move) }),
      { isInternal: true },
    ),
  },
});
