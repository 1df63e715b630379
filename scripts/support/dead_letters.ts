import { defaultLimits } from "../../src/config.ts";
import { deadLetterView } from "../../src/http/views.ts";
import { type DeadLetterFilter, readDeadLetters } from "../../src/store/messages.ts";
import type { ShownMessage } from "./message_text.ts";
import type { Server } from "./server.ts";
import { openStoreFolder } from "./store_folder.ts";

const LETTERS_PER_READ = 500;

/** Dead letters of a server, the oldest first. */
export async function* deadLettersAt(
  server: Server,
  filter: DeadLetterFilter,
  limit: number,
): AsyncGenerator<ShownMessage> {
  let after: string | undefined;
  for (let left = limit; left > 0;) {
    const query = { ...filter, after, limit: Math.min(left, LETTERS_PER_READ) };
    const page = await server.get<{ deadLetters: ShownMessage[]; next?: string }>("/dead-letters", query);
    yield* page.deadLetters;
    left -= page.deadLetters.length;
    after = page.next;
    if (after === undefined) return;
  }
}

/** Dead letters of a folder, the oldest first. */
export async function* deadLettersIn(
  data: string,
  filter: DeadLetterFilter,
  limit: number,
): AsyncGenerator<ShownMessage> {
  const folder = await openStoreFolder(data);
  try {
    let left = limit;
    for (const { database, number } of folder.shards) {
      for (let after = 0; left > 0;) {
        const bound = { limit: Math.min(left, LETTERS_PER_READ), bytesMax: defaultLimits.pageBytesMax };
        const page = { ...filter, after, ...bound };
        const { items: letters, hasMore } = await readDeadLetters(database, number, page);
        yield* letters.map(deadLetterView);
        left -= letters.length;
        after = letters.at(-1)?.seq ?? after;
        if (!hasMore) break;
      }
    }
  } finally {
    await folder.close();
  }
}
