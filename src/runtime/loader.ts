import type { RecordedEvent } from "../core/event.ts";
import { Journal } from "../core/journal.ts";
import { deepFreeze } from "../core/json.ts";
import type { MessageRecord } from "../core/message.ts";
import type { Row } from "../store/database.ts";
import { eventsOf, streamOf, streamsOf, type WantedStream } from "../store/events.ts";
import { messagesOf, selectMessages } from "../store/messages.ts";
import { type Page, type PageBound, readMostlyShortPage, selectShort, shortPage } from "../store/page.ts";
import type { ShardStore } from "../store/shard_store.ts";
import { selectSnapshots, snapshotOf } from "../store/snapshots.ts";
import type { Activation } from "./activation.ts";
import { evolve } from "./evolve.ts";
import type { Entry } from "./mailbox.ts";

/** Actors and ids looked up in one query. */
const LOOKUPS_PER_QUERY = 1_000;
/** Events read in one query. */
const EVENTS_PER_QUERY = 2_000;

/** Who is told what was found, or that the store could not be read. */
export interface LoaderOwner {
  loaded(activation: Activation): void;
  found(entry: Entry, earlier: MessageRecord | undefined): void;
  failed(error: unknown, activations: readonly Activation[], entries: readonly Entry[]): void;
}

/**
 * Reads what turns need from the disk: states of cold actors, and whether ids have been handled. What is
 * asked for while a query is on its way goes together into the next one.
 */
export class Loader {
  #activations: Activation[] = [];
  #entries: Entry[] = [];
  #running = false;
  #stopped = false;

  /** @param bytesMax Of the payloads of one query. */
  constructor(
    private readonly store: ShardStore,
    private readonly bytesMax: number,
    private readonly owner: LoaderOwner,
  ) {}

  load(activation: Activation): void {
    activation.phase = "loading";
    this.#activations.push(activation);
    this.#start();
  }

  /** Looks for an earlier message with the entry's id and actor. */
  find(entry: Entry): void {
    this.#entries.push(entry);
    this.#start();
  }

  /** What is still on its way is not told any more. */
  stop(): void {
    this.#stopped = true;
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#stopped && (this.#activations.length > 0 || this.#entries.length > 0)) {
      const activations = this.#activations.splice(0, LOOKUPS_PER_QUERY);
      const entries = this.#entries.splice(0, LOOKUPS_PER_QUERY);
      try {
        await this.#query(activations, entries);
      } catch (error) {
        if (!this.#stopped) this.owner.failed(error, activations, entries);
      }
    }
    this.#running = false;
  }

  async #query(activations: readonly Activation[], entries: readonly Entry[]): Promise<void> {
    const { database, hasArchive, shard } = this.store;
    const bound = { limit: EVENTS_PER_QUERY, bytesMax: this.bytesMax };
    let wanted: WantedStream[] = activations.map(({ name, actor }) => [name, 0, actor?.fingerprint ?? ""]);
    const source = streamsOf(wanted, hasArchive);
    const [snapshots = [], streams = [], messages = []] = await database.batch([
      selectSnapshots(wanted),
      selectShort(source, bound),
      selectMessages(entries.map(({ message }) => [message.id, message.actor])),
    ], "read");
    if (this.#stopped) return;

    const byName = new Map(activations.map((activation) => [activation.name, activation]));
    for (const activation of activations) begin(activation);
    for (const { actor, version, state } of snapshots.map(snapshotOf)) {
      const activation = byName.get(actor);
      if (!activation) continue;
      activation.state = activation.actor?.saga ? Journal.revived(deepFreeze(state)) : deepFreeze(state);
      activation.version = activation.snapshotVersion = version;
    }
    // Where an event is too long for that, none is taken yet.
    let page = shortPage(source, streams, bound);
    let asked = wanted.length;
    for (;;) {
      if (page) {
        const actors = this.#advance(byName, page);
        const last = actors.at(-1);
        // The last actor may have more, and those after it have not been read at all.
        wanted = wanted.slice(page.hasMore ? wanted.findIndex(([name]) => name === last) : asked);
        // SQLite goes through all events of those that are asked for, however few it gives.
        asked = page.hasMore && actors.length === 1 ? 1 : 2 * (page.hasMore ? actors.length : asked);
      }
      if (wanted.length === 0) break;
      // After what has been reached, not after the snapshot, which may have been deleted meanwhile.
      wanted = wanted.map(([name, , fingerprint]) => [name, byName.get(name)?.version ?? 0, fingerprint]);
      page = await this.#read(wanted.slice(0, asked), bound);
      if (this.#stopped) return;
    }

    const earlier = new Map(
      messagesOf(shard, messages).map((record) => [entryKey(record), record]),
    );
    for (const entry of entries) this.owner.found(entry, earlier.get(entryKey(entry.message)));
    for (const activation of activations) this.owner.loaded(activation);
  }

  #read(wanted: readonly WantedStream[], bound: PageBound): Promise<Page<Row>> {
    const { database, hasArchive } = this.store;
    const [first] = wanted;
    // One actor's events come in order by themselves; those of several have to be sorted, all of them each time.
    const source = first && wanted.length === 1
      ? streamOf(first[0], first[1])
      : streamsOf(wanted, hasArchive);
    return readMostlyShortPage(database, source, bound);
  }

  /** Applies a page of events. @returns Whose they are. */
  #advance(byName: ReadonlyMap<string, Activation>, page: Page<Row>): string[] {
    const events = eventsOf(this.store.shard, page.items);
    for (const event of events) {
      const activation = byName.get(event.actor);
      if (activation) advance(activation, event);
    }
    return [...new Set(events.map(({ actor }) => actor))];
  }
}

/** What tells one message from all others of its shard. */
export function entryKey(message: { id: string; actor: string }): string {
  return `${message.id} ${message.actor}`;
}

function begin(activation: Activation): void {
  activation.state = deepFreeze(activation.actor?.initialState());
  activation.version = 0;
  activation.snapshotVersion = 0;
  activation.loadError = activation.actor
    ? undefined
    : new Error(`There is no actor type for ${activation.name} in the modules that run`);
}

/** Applies a recorded event. One that cannot be read leaves the activation with the reason. */
function advance(activation: Activation, event: RecordedEvent): void {
  if (activation.loadError === undefined && activation.actor) {
    try {
      activation.state = evolve(activation.actor, activation.state, event);
    } catch (error) {
      activation.loadError = error;
    }
  }
  activation.version = event.version;
}
