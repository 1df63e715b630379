import type { RecordedEvent } from "../core/event.ts";
import { Journal } from "../core/journal.ts";
import { deepFreeze } from "../core/json.ts";
import type { MessageRecord } from "../core/message.ts";
import type { Row } from "../store/database.ts";
import { eventsOf, streamsOf, type WantedStream } from "../store/events.ts";
import { messagesOf, selectMessages } from "../store/messages.ts";
import { type Page, readMostlyShortPage, selectShort, shortPage } from "../store/page.ts";
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
    let source = streamsOf(wanted, hasArchive);
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
    while (page === undefined || page.hasMore) {
      const last = this.#advance(byName, page);
      // The last actor may have more, and those after it have not been read at all.
      if (last !== undefined) wanted = wanted.slice(wanted.findIndex(([name]) => name === last));
      // After what has been reached, not after the snapshot, which may have been deleted meanwhile.
      wanted = wanted.map(([name, , fingerprint]) => [name, byName.get(name)?.version ?? 0, fingerprint]);
      source = streamsOf(wanted, hasArchive);
      page = await readMostlyShortPage(database, source, bound);
      if (this.#stopped) return;
    }
    this.#advance(byName, page);

    const earlier = new Map(
      messagesOf(shard, messages).map((record) => [entryKey(record), record]),
    );
    for (const entry of entries) this.owner.found(entry, earlier.get(entryKey(entry.message)));
    for (const activation of activations) this.owner.loaded(activation);
  }

  /** Applies a page of events. @returns The actor of the last one. */
  #advance(byName: ReadonlyMap<string, Activation>, page: Page<Row> | undefined): string | undefined {
    const events = eventsOf(this.store.shard, page?.items ?? []);
    for (const event of events) {
      const activation = byName.get(event.actor);
      if (activation) advance(activation, event);
    }
    return events.at(-1)?.actor;
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
