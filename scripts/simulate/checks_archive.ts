import type { RecordedEvent } from "../../src/mod.ts";
import type { Simulation } from "../../src/testing/mod.ts";
import { balanceOf, type Claim, eventsNamed, type Streams } from "./log.ts";
import { closedBy } from "./modules.ts";

/** What lies in a shard's two files, by the files themselves and not by the view that shows both as one. */
interface Files {
  readonly shard: number;
  /** Events as `position actor version`. */
  readonly own: readonly string[];
  readonly copies: readonly { readonly event: string; readonly isSeen: boolean }[];
  /** Up to which version an actor's events are in the archive. */
  readonly archived: ReadonlyMap<string, number>;
  /** Actors that something waits for. */
  readonly awaited: ReadonlySet<string>;
}

/** Each event is in one place, and what has come to rest in the archive; nobody who reads can tell. */
export async function checkArchive(
  sim: Simulation,
  events: readonly RecordedEvent[],
  byActor: Streams,
  claim: Claim,
): Promise<void> {
  for (const [shard, log] of Map.groupBy(events, (event) => event.shard)) {
    const files = await readFiles(sim, shard);
    checkPlaces(files, log, claim);
    checkClosed(files, log, byActor, claim);
  }
  await checkReads(sim, events, byActor, claim);
}

async function readFiles(sim: Simulation, shard: number): Promise<Files> {
  const text = (row: readonly unknown[]) => row.slice(0, 3).join(" ");
  const columns = "e.position, e.actor, e.version";
  const [own, copies, archived, awaited] = [
    await sim.rows(shard, `SELECT ${columns} FROM main.events AS e ORDER BY e.position`),
    await sim.rows(
      shard,
      `SELECT ${columns}, e.version <= coalesce(m.version, 0)
        FROM archive.events AS e LEFT JOIN archived AS m USING (actor) ORDER BY e.position`,
    ),
    await sim.rows(shard, `SELECT actor, version FROM archived`),
    await sim.rows(
      shard,
      `SELECT actor FROM timers UNION SELECT actor FROM messages WHERE status IN ('queued', 'retrying')
        UNION SELECT reply_to ->> 'actor' FROM messages WHERE status IN ('queued', 'retrying')`,
    ),
  ];
  return {
    shard,
    own: own.map(text),
    copies: copies.map((row) => ({ event: text(row), isSeen: row[3] === 1 })),
    archived: new Map(archived.map(([actor, version]) => [String(actor), Number(version)])),
    awaited: new Set(awaited.map(([actor]) => String(actor))),
  };
}

function checkPlaces(
  { shard, own, copies, archived }: Files,
  log: readonly RecordedEvent[],
  claim: Claim,
): void {
  const inOwn = new Set(own);
  const seen = copies.filter(({ isSeen }) => isSeen).map(({ event }) => event);
  const doubled = seen.filter((event) => inOwn.has(event));
  claim(doubled.length === 0, `archive: in both files of shard ${shard}: ${doubled}`);
  const alone = copies.filter(({ event, isSeen }) => !isSeen && !inOwn.has(event)).map(({ event }) => event);
  claim(alone.length === 0, `archive: copies of nothing in shard ${shard}: ${alone}`);
  const places = new Set([...own, ...seen]);
  const lacking = [...archived].filter(([actor, version]) =>
    !seen.some((event) => event.endsWith(` ${actor} ${version}`))
  );
  claim(lacking.length === 0, `archive: shard ${shard} lacks what was archived: ${lacking.join(", ")}`);
  const newest = Math.max(0, ...[...places].map((event) => Number.parseInt(event)));
  claim(places.size === newest, `archive: ${places.size} of ${newest} events are in shard ${shard}'s files`);
  const read = log.map(({ position, actor, version }) => `${position} ${actor} ${version}`);
  const isSame = read.length === places.size && read.every((event) => places.has(event));
  claim(isSame, `archive: shard ${shard} reads ${read.length} events, and its files have ${places.size}`);
}

function checkClosed(
  { shard, archived, awaited }: Files,
  log: readonly RecordedEvent[],
  byActor: Streams,
  claim: Claim,
): void {
  for (const [actor, stream] of byActor) {
    const last = stream.at(-1);
    if (last?.shard !== shard || !actor.startsWith("purse/") || last.position === log.length) continue;
    if (!closedBy.some((type) => type === last.type) || awaited.has(actor)) continue;
    claim(archived.get(actor) === last.version, `archive: ${actor} was closed, and is not archived`);
  }
}

/** Ways to read that go by events, and not by a state in memory. */
async function checkReads(
  sim: Simulation,
  events: readonly RecordedEvent[],
  byActor: Streams,
  claim: Claim,
): Promise<void> {
  const read = <T>(work: Parameters<typeof sim.begin<T>>[0]) => sim.until(sim.begin(work));
  for (const [actor, stream] of byActor) {
    if (!actor.startsWith("purse/")) continue;
    const key = actor.slice("purse/".length);
    const version = Math.ceil(stream.length / 2);
    const past = await read((runtime) => runtime.past("purse", key, { version }));
    const wanted = { balance: balanceOf(stream.slice(0, version)), version };
    claim(
      JSON.stringify(past?.state) === JSON.stringify(wanted),
      `archive: ${actor} was ${JSON.stringify(past?.state)} at version ${version}`,
    );
    const { events: streamed } = await read((runtime) =>
      runtime.stream("purse", key, { after: 0, limit: 10_000 })
    );
    claim(
      JSON.stringify(streamed) === JSON.stringify(stream),
      `archive: ${actor} has ${stream.length} events, and its stream ${streamed.length}`,
    );
  }
  const received = eventsNamed(events, "Received").length;
  const { messages } = await read((runtime) => runtime.reactors.rehearse("auditor"));
  claim(
    messages === received,
    `archive: a reactor answers ${messages} of ${received} events from the beginning`,
  );
}
