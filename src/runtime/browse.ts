import type { MessageRecord, MessageStatus } from "../core/message.ts";
import { type ActorRow, readActors, readNewestMessages, readWaiting } from "../store/browse.ts";
import type { Runtime } from "./runtime.ts";

/** Actors of a type that have events, in the order of their names. @throws {FolioError} `unknown-actor-type`. */
export async function findActors(
  { shards, registry }: Pick<Runtime, "shards" | "registry">,
  page: { type: string; keyPrefix: string; after?: string | undefined; limit: number },
): Promise<ActorRow[]> {
  registry.actor(page.type, page.keyPrefix || "any");
  const query = { ...page, after: page.after ?? "" };
  const found = await Promise.all(shards.map(({ store }) => readActors(store.database, query)));
  return found.flat().sort((a, b) => (a.actor < b.actor ? -1 : 1)).slice(0, page.limit);
}

/** Messages on disk, the newest first. */
export async function findMessages(
  { shards }: Pick<Runtime, "shards">,
  wanted: {
    status?: MessageStatus | undefined;
    type?: string | undefined;
    actor?: string | undefined;
    limit: number;
  },
): Promise<MessageRecord[]> {
  const found = await Promise.all(
    shards.map(({ number, store }) => readNewestMessages(store.database, number, wanted)),
  );
  return found.flat().sort((a, b) => b.enqueuedAt - a.enqueuedAt).slice(0, wanted.limit);
}

/** Messages of one actor that wait and are on disk, in the order of its mailbox. */
export function findWaiting(
  runtime: Pick<Runtime, "shardOf">,
  wanted: { actor: string; limit: number },
): Promise<MessageRecord[]> {
  const { number, store } = runtime.shardOf(wanted.actor);
  return readWaiting(store.database, number, wanted);
}
