import {
  type ActorRow,
  countDead,
  type DeadLetterGroup,
  type MessageFilter,
  readActors,
  readDeadLetterGroups,
  readNewestMessages,
  readWaiting,
} from "../store/browse.ts";
import type { DeadLetterFilter, MessageSummary } from "../store/messages.ts";
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
  wanted: MessageFilter,
): Promise<MessageSummary[]> {
  const found = await Promise.all(
    shards.map(({ number, store }) => readNewestMessages(store.database, number, wanted)),
  );
  return found.flat().sort((a, b) => b.enqueuedAt - a.enqueuedAt).slice(0, wanted.limit);
}

/** Messages of one actor that wait and are on disk, in the order of its mailbox. */
export function findWaiting(
  runtime: Pick<Runtime, "shardOf">,
  wanted: { actor: string; limit: number },
): Promise<MessageSummary[]> {
  const { number, store } = runtime.shardOf(wanted.actor);
  return readWaiting(store.database, number, wanted);
}

/** Dead letters of a filter by their errors, the most frequent ones first, up to `limit` of these. */
export async function groupDeadLetters(
  { shards }: Pick<Runtime, "shards">,
  wanted: DeadLetterFilter & { limit: number },
): Promise<DeadLetterGroup[]> {
  const found = await Promise.all(shards.map(({ store }) => readDeadLetterGroups(store.database, wanted)));
  const merged = new Map<string, DeadLetterGroup>();
  for (const group of found.flat()) {
    const key = JSON.stringify([group.type, group.command, group.error]);
    const { count, newestAt } = merged.get(key) ?? { count: 0, newestAt: 0 };
    const both = { count: count + group.count, newestAt: Math.max(newestAt, group.newestAt) };
    merged.set(key, { ...group, ...both });
  }
  return [...merged.values()].sort((a, b) => b.count - a.count).slice(0, wanted.limit);
}

/** How many dead letters there are of a filter: of all of them. */
export async function countDeadLetters(
  { shards }: Pick<Runtime, "shards">,
  wanted: DeadLetterFilter = {},
): Promise<number> {
  const counts = await Promise.all(shards.map(({ store }) => countDead(store.database, wanted)));
  return counts.reduce((sum, count) => sum + count, 0);
}
