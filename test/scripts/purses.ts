/** Actors that write to each other across shards, and the audit of what they have written. */
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import type { Message } from "../../src/core/message.ts";
import { withShard } from "./support.ts";

const Tag = z.object({ tag: z.string() });

/** Gives what it is told to another purse: each tag is to be given once and taken once. */
export const purse = actor("purse", {
  initialState: () => ({ given: 0, taken: 0 }),
  events: { Gave: Tag, Took: Tag },
  evolve: {
    Gave: (state) => ({ ...state, given: state.given + 1 }),
    Took: (state) => ({ ...state, taken: state.taken + 1 }),
  },
  commands: {
    give: command(z.object({ tag: z.string(), to: z.string() }), (turn, { tag, to }) => {
      turn.emit("Gave", { tag });
      turn.send(purse.ref(to).take({ tag }));
    }),
    take: command(Tag, (turn, { tag }) => turn.emit("Took", { tag })),
  },
});

/** What the files of a store say about each tag. */
export interface Books {
  /** Tags in the order of their events, with their repetitions. */
  readonly gave: string[];
  readonly took: string[];
  /** Tags that a mailbox has still to give. */
  readonly toGive: Set<string>;
  /** Tags on their way, in an outbox or a mailbox; those in both are one message. */
  readonly toTake: Set<string>;
  /** Which logs have gaps, and which streams. */
  readonly gaps: string[];
}

/** Reads the books as they lie on disk, before any runtime has gone on with them. */
export async function readBooks(folder: string, shards: number): Promise<Books> {
  const books: Books = { gave: [], took: [], toGive: new Set(), toTake: new Set(), gaps: [] };
  const ids = new Map<string, string>();
  const onTheWay = (id: string, tag: string) => {
    if (ids.has(tag) && ids.get(tag) !== id) books.gaps.push(`${tag} is on its way as two messages`);
    ids.set(tag, id);
    books.toTake.add(tag);
  };
  const handled = new Set<string>();
  const sent: Message[] = [];
  for (let shard = 0; shard < shards; shard++) {
    await withShard(folder, shard, async (database) => {
      const events = await database.execute({
        sql: "SELECT position, actor, version, type, payload ->> 'tag' FROM events ORDER BY position",
      });
      const versions = new Map<string, number>();
      for (const [index, [position, name, version, type, tag]] of events.entries()) {
        if (position !== index + 1) books.gaps.push(`shard ${shard}: position ${position} at ${index + 1}`);
        const previous = versions.get(String(name)) ?? 0;
        if (version !== previous + 1) books.gaps.push(`${name}: version ${version} after ${previous}`);
        versions.set(String(name), Number(version));
        (type === "Gave" ? books.gave : books.took).push(String(tag));
      }
      const messages = await database.execute({
        sql: "SELECT id, command, input ->> 'tag', status FROM messages ORDER BY seq",
      });
      for (const [id, name, tag, status] of messages) {
        if (status === "done") handled.add(String(id));
        else if (name === "give") books.toGive.add(String(tag));
        else onTheWay(String(id), String(tag));
      }
      const outbox = await database.execute({ sql: "SELECT message FROM outbox ORDER BY seq" });
      for (const [text] of outbox) sent.push(JSON.parse(String(text)));
    });
  }
  for (const { id, input } of sent) {
    if (!handled.has(id)) onTheWay(id, (input as { tag: string }).tag);
  }
  return books;
}
