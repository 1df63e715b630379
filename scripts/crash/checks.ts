import { replyOf, type SeenEvent } from "./fold.ts";
import type { History } from "./history.ts";
import type { Command, Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { checkRows } from "./read_model_check.ts";
import { getJson } from "./requests.ts";
import { checkRepeated } from "./senders.ts";
import type { Violations } from "./violations.ts";

/** Well beyond what a machine with other work needs: a message that is not handled by then is lost. */
export const QUIET_MS_MAX = 20_000;
const AT_ONCE = 16;
const REPEATED = 30;
const PAGE = 1_000;

export interface Checked {
  readonly ledger: Ledger;
  readonly history: History;
  readonly violations: Violations;
  readonly random: Random;
}

/** Compares what a server that was killed and is there again says with what was said before. */
export async function checkAll(url: string, checked: Checked): Promise<void> {
  const { ledger, history, violations, random } = checked;
  await inTurns([...ledger.unknownKeyed], (command) => checkUnknown(url, command, checked));
  if (!await history.complete(QUIET_MS_MAX)) {
    for (const mark of ledger.awaited) violations.add(`Acknowledged, but never there: ${mark}`);
  }
  history.checkFollowing();
  await checkRows(url, checked);
  await inTurns(ledger.unchecked.splice(0), (command) => checkAcknowledged(url, command, checked));
  await inTurns(history.actors, (actor) => checkState(url, actor, checked));
  const keyed = [...ledger.acknowledged].filter(([{ key }]) => key !== undefined);
  await inTurns(
    random.some(keyed, REPEATED),
    ([command, answer]) => checkRepeated(url, command, answer, checked),
  );
}

/** Nobody was told what became of it. If the server knows it now, it must be handled, or have been. */
async function checkUnknown(
  url: string,
  command: Command,
  { ledger, history, violations }: Checked,
): Promise<void> {
  const found = await getJson(messageUrl(url, command.key ?? "", command.actor));
  if (!found || found.status === 404) return;
  const { status } = found.body;
  if (found.status !== 200) return violations.add(`Message of ${command.mark} is ${JSON.stringify(found)}`);
  if (status === "rejected") return;
  if (history.event(command.mark) === undefined) ledger.awaited.add(command.mark);
}

/** What was acknowledged is there, and is what was said. */
async function checkAcknowledged(url: string, command: Command, checked: Checked): Promise<void> {
  const { ledger, history, violations } = checked;
  const answer = ledger.acknowledged.get(command);
  const event = history.event(command.mark);
  if (!answer || answer.kind === "rejected" || !event) return; // what is not there has been told already
  if (event.messageId !== answer.messageId) {
    violations.add(`${command.mark} was acknowledged as ${answer.messageId}, but is ${event.messageId}`);
  }
  if (answer.kind === "done") {
    const { version, position, reply } = answer;
    const state = history.state(command.actor, version);
    const expected = state && replyOf(command.actor, state);
    if (version !== event.version || position !== event.position || !isSame(reply, expected)) {
      violations.add(
        `${command.mark} was answered ${answer.text}, but is ${JSON.stringify({ event, expected })}`,
      );
    }
  } else {
    const found = await getJson(messageUrl(url, answer.messageId, command.actor));
    const { status, position } = found?.body ?? {};
    if (status !== "done" || position !== event.position) {
      violations.add(`Message ${answer.messageId} of ${command.mark} is ${JSON.stringify(found)}`);
    }
  }
}

/** The server's state, made from snapshots and whatever, is the fold of the events that the reader has seen. */
async function checkState(url: string, actor: string, { history, violations }: Checked): Promise<void> {
  const found = await getJson(`${url}/actors/${actor}`);
  const version = Number(found?.body.version);
  const expected = await history.awaitState(actor, version, QUIET_MS_MAX);
  if (!isSame(found?.body.state, expected)) {
    violations.add(
      `State of ${actor} is ${JSON.stringify(found)}, but its events make ${JSON.stringify(expected)}`,
    );
  }
}

/** The log read from its start in pages is what the live reader has seen. */
export async function checkLog(url: string, { history, violations }: Checked): Promise<void> {
  const read: SeenEvent[][] = [];
  for (let after = "", hasMore = true; hasMore;) {
    const page = await getJson(`${url}/events?limit=${PAGE}&after=${after}`);
    if (page?.status !== 200) return violations.add(`Log cannot be read: ${JSON.stringify(page)}`);
    for (const event of page.body.events as SeenEvent[]) (read[event.shard] ??= []).push(event);
    after = String(page.body.next);
    hasMore = Boolean(page.body.hasMore);
  }
  for (let shard = 0; shard < Math.max(read.length, history.shards.length); shard++) {
    const [paged = [], live = []] = [read[shard], history.shards[shard]];
    const differs = Array.from({ length: Math.max(paged.length, live.length) }, (_, index) => index)
      .find((index) => !isSameEvent(paged[index], live[index]));
    if (differs === undefined) continue;
    violations.add(
      `Shard ${shard} has ${paged.length} events, its live reader has seen ${live.length}; at ${differs} they are ` +
        `${JSON.stringify(paged[differs])} and ${JSON.stringify(live[differs])}`,
    );
  }
}

/** The token names what else had been read, and so differs from reader to reader. */
function isSameEvent(a: SeenEvent | undefined, b: SeenEvent | undefined): boolean {
  return isSame(a && { ...a, token: "" }, b && { ...b, token: "" });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([name, each]) => [name, sorted(each)]));
}

function messageUrl(url: string, id: string, actor: string): string {
  return `${url}/messages/${encodeURIComponent(id)}?actor=${encodeURIComponent(actor)}`;
}

/** Some at a time, so that the server is asked, not stormed. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < items.length) await work(items[next++] as T);
  }));
}
