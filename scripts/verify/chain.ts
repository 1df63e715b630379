import { defaultLimits } from "../../src/config.ts";
import { type ChainRow, linkOf, MARK_LENGTH, parseHead } from "../../src/store/chain.ts";
import type { Row } from "../../src/store/database.ts";
import { type EventRow, eventRows } from "../../src/store/events.ts";
import { readMostlyShortPage } from "../../src/store/page.ts";
import { UsageError } from "../support/errors.ts";
import type { Findings } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

const ROWS_PER_READ = 1_000;

/** The end that a chain had at some time, noted elsewhere: `shard.position.hash`. */
export interface NotedHead {
  readonly text: string;
  readonly shard: number;
  readonly position: number;
  readonly hash: string;
}

/** @throws {UsageError} When it is not what `verify` prints. */
export function parseNotedHead(text: string): NotedHead {
  const [, shard, position, hash] = /^(\d{1,3})\.([1-9]\d{0,14})\.([\w-]{43})$/.exec(text) ?? [];
  if (shard === undefined || position === undefined || hash === undefined) {
    throw new UsageError(`Cannot use --head ${text}: it must be shard.position.hash, as verify prints it`);
  }
  return { text, shard: Number(shard), position: Number(position), hash };
}

/**
 * The log is what its hash chain was made of, as far as it has one, and the chain has the heads noted.
 */
export async function checkChain(
  shard: CheckedShard,
  noted: readonly NotedHead[],
  findings: Findings,
): Promise<void> {
  const [newest] = await shard.database.execute({
    sql: `SELECT chain FROM commits ORDER BY idx DESC LIMIT 1`,
  });
  const head = parseHead(newest?.[0]);
  const awaited = new Map(noted.map((each) => [each.position, each]));
  const events = new Events(shard);
  let before = { position: 0, hash: "" };
  for await (const link of linksOf(shard)) {
    const [last, first, hash, marks] = link;
    findings.count("links of hash chains");
    noteUnchained(await events.pass(first - 1), shard, findings);
    // Before so many are held in memory.
    const isOne = last - first + 1 === marks.length / MARK_LENGTH;
    const group = isOne ? await events.take(last) : [];
    const misfit = isOne ? misfitOf({ ...before, isCurrent: true }, link, group) : changedLink(link);
    await events.pass(last);
    if (misfit) findings.add("chain", `position ${misfit.position} of ${shard.name}`, misfit.what);
    const wanted = awaited.get(last);
    if (wanted?.hash === hash) awaited.delete(last);
    before = { position: last, hash };
  }
  for (const { text, position } of awaited.values()) {
    const why = `it does not have the link noted as ${text}: it was made anew, or cut off`;
    findings.add("chain", `position ${position} of ${shard.name}`, why);
  }
  if (head.position !== before.position || head.hash !== before.hash) {
    const where = `position ${Math.min(head.position, before.position) + 1} of ${shard.name}`;
    const what =
      `the chain ends at position ${before.position}, and its head is of position ${head.position}`;
    findings.add("chain", where, head.position > before.position ? `${what}: it was cut off` : what);
  }
  const rest = await events.pass(Infinity);
  if (rest && head.isCurrent) {
    findings.add(
      "chain",
      `position ${rest.first} of ${shard.name}`,
      "it stands behind the head of the chain",
    );
  } else if (before.position > 0) noteUnchained(rest, shard, findings);
  if (before.position > 0) findings.heads.push(`${shard.number}.${before.position}.${before.hash}`);
}

interface Misfit {
  readonly position: number;
  readonly what: string;
}

function changedLink([last, first]: ChainRow): Misfit {
  return { position: first, what: `the link from here to ${last} was changed` };
}

/** The first position of a link that does not fit. */
function misfitOf(
  before: Parameters<typeof linkOf>[0],
  link: ChainRow,
  group: readonly EventRow[],
): Misfit | undefined {
  const [last, first, hash, marks] = link;
  const made = linkOf(before, group);
  if (made[1] === first && made[2] === hash) return made[3] === marks ? undefined : changedLink(link);
  const found = new Map(group.map((event) => [event[0], event]));
  for (let position = first; position <= last; position++) {
    const event = found.get(position);
    if (!event) return { position, what: "it is in the chain, and there is no such event" };
    const mark = marks.slice((position - first) * MARK_LENGTH, (position - first + 1) * MARK_LENGTH);
    if (linkOf(before, [event])[3] !== mark) {
      return { position, what: "it is not the event that was chained" };
    }
  }
  const range = first === last ? "it" : `the events up to ${last}`;
  return { position: first, what: `${range} and the chain before do not give the hash of the link` };
}

function noteUnchained(range: Range | undefined, { name }: CheckedShard, findings: Findings): void {
  if (!range) return;
  findings.note(`Positions ${range.first} to ${range.last} of ${name} are not in its hash chain: it was off`);
}

async function* linksOf({ database }: CheckedShard): AsyncGenerator<ChainRow> {
  for (let after = 0;;) {
    const rows = await database.execute({
      sql: `SELECT last, first, hash, marks FROM chain WHERE last > ? ORDER BY last LIMIT ?`,
      args: [after, ROWS_PER_READ],
    });
    yield* rows as ChainRow[];
    if (rows.length < ROWS_PER_READ) return;
    after = Number(rows.at(-1)?.[0]);
  }
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** The log, taken from its beginning on. */
class Events {
  #rows: readonly Row[] = [];
  #next = 0;
  #after = 0;
  #isRead = false;

  constructor(private readonly shard: CheckedShard) {}

  /** The next events, up to a position. */
  async take(position: number): Promise<EventRow[]> {
    const taken: EventRow[] = [];
    for (let row = await this.#upTo(position); row; row = await this.#upTo(position)) taken.push(row);
    return taken;
  }

  /** As `take`, without holding them. */
  async pass(position: number): Promise<Range | undefined> {
    let range: Range | undefined;
    for (let row = await this.#upTo(position); row; row = await this.#upTo(position)) {
      range = { first: range?.first ?? row[0], last: row[0] };
    }
    return range;
  }

  async #upTo(position: number): Promise<EventRow | undefined> {
    if (this.#next === this.#rows.length && !this.#isRead && this.#after < position) await this.#read();
    const row = this.#rows[this.#next] as EventRow | undefined;
    if (!row || row[0] > position) return undefined;
    this.#next++;
    return row;
  }

  async #read(): Promise<void> {
    const source = eventRows({ where: "position > ?1", order: "position", args: [this.#after] });
    const bound = { limit: ROWS_PER_READ, bytesMax: defaultLimits.pageBytesMax };
    const { items, hasMore } = await readMostlyShortPage(this.shard.database, source, bound);
    this.#rows = items;
    this.#next = 0;
    this.#isRead = !hasMore;
    this.#after = Number(this.#rows.at(-1)?.[0] ?? this.#after);
  }
}
