import type { Clock } from "../core/clock.ts";
import type { Issue } from "../core/errors.ts";
import { invalidKeyReason, parseActorName } from "../core/message.ts";
import { eventNamesOf, type WebhookFilters } from "../core/webhook.ts";
import type { Registry } from "../runtime/registry.ts";
import { refusedRange } from "./addresses.ts";
import { refusedUrlReason, type Resolve, resolveHost } from "./webhook_post.ts";

/** A host name that has not been resolved by then is taken as it is: it is looked up again for each delivery. */
const RESOLVE_MS_MAX = 5_000;

/** What is wrong with filters: types that there are not, or that exclude each other. */
export function refusedFilters(filters: WebhookFilters, registry: Registry): Issue[] {
  const actors = [...registry.actors.values()].filter((actor) => !registry.isBuiltIn(actor));
  const issues: Issue[] = [];
  const refuse = (path: (string | number)[], message: string) =>
    issues.push({ path: ["filters", ...path], message });
  for (const [index, type] of filters.actorTypes?.entries() ?? []) {
    if (!actors.some(({ name }) => name === type)) {
      refuse(["actorTypes", index], "There is no such actor type");
    }
  }
  for (const [index, type] of filters.eventTypes?.entries() ?? []) {
    const isThere = actors.some(({ events }) => events.has(type));
    if (!isThere) refuse(["eventTypes", index], "No actor has events of this type");
  }
  if (filters.actor !== undefined) {
    const { type, key } = parseActorName(filters.actor);
    const reason = actors.some(({ name }) => name === type)
      ? invalidKeyReason(key)
      : "there is no such actor type";
    if (reason) refuse(["actor"], `No actor can be called so: ${reason}`);
  }
  if (issues.length === 0 && eventNamesOf(filters, actors).length === 0 && actors.length > 0) {
    refuse([], "No event can pass all of them");
  }
  return issues;
}

/** Why no webhook may be sent to a URL, as far as can be told now. Deliveries look again. */
export async function refusedUrl(
  text: string,
  world: { resolve: Resolve | undefined; isPrivateAllowed: boolean; clock: Clock },
): Promise<Issue[]> {
  const url = new URL(text);
  const reason = refusedUrlReason(url, world.isPrivateAllowed);
  if (reason) return [{ path: ["url"], message: `Webhooks cannot be sent there: ${reason}` }];
  if (world.isPrivateAllowed) return [];
  const { promise: late, resolve } = Promise.withResolvers<readonly string[]>();
  const cancel = world.clock.after(RESOLVE_MS_MAX, () => resolve([]));
  // A host that has no address yet may have one when there is something to deliver.
  const looked = (world.resolve ?? resolveHost)(url.hostname.replace(/^\[|\]$/g, "")).catch(() => []);
  const addresses = await Promise.race([looked, late]).finally(cancel);
  const range = addresses.map(refusedRange).find((found) => found !== undefined);
  if (range === undefined) return [];
  return [{
    path: ["url"],
    message: `Webhooks cannot be sent there: its host has an address that is not public (${range})`,
  }];
}
