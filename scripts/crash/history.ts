import { Alarms } from "./alarms.ts";
import { Echoes } from "./echoes.ts";
import { fold, initialState, isSaga, markOf, type SeenEvent, type State } from "./fold.ts";
import type { Ledger } from "./ledger.ts";
import { Moves } from "./moves.ts";
import type { Violations } from "./violations.ts";
import { Volleys } from "./volleys.ts";

const GAPS_DELAY_MS = 50;

/** Events of messages that no client has sent. */
const unasked = new Set(["Echoed", "Rang", "Heard", "Burst", "Stamped"]);

interface Forward {
  readonly forwarded: SeenEvent | undefined;
  readonly received: SeenEvent | undefined;
}

/**
 * The log as one reader has seen it, through all kills. Each event is checked as it comes: it must be the
 * next one of its shard and of its actor, be of one command that somebody sent, and of that command's only
 * event; events of one sender must come in the order sent.
 */
export class History {
  /** Shard by shard, in order. */
  readonly shards: SeenEvent[][] = [];
  readonly #byMark = new Map<string, SeenEvent>();
  readonly #messages = new Set<string>();
  /** States of each actor; the index is the version. */
  readonly #states = new Map<string, State[]>();
  /** Of the journals of sagas, of which only the order is checked here. */
  readonly #journals = new Map<string, number>();
  readonly #places = new Map<string, number>();
  /** Messages that one actor has sent to another, by sender, receiver and number. */
  readonly #forwards = new Map<string, Forward>();
  /** Forwards of which only one side has been seen. */
  readonly #openForwards = new Set<string>();
  readonly echoes: Echoes;
  readonly alarms: Alarms;
  readonly moves: Moves;
  readonly volleys: Volleys;
  #waiting: (() => void)[] = [];

  constructor(private readonly ledger: Ledger, private readonly violations: Violations) {
    this.echoes = new Echoes(violations);
    this.alarms = new Alarms(violations);
    this.moves = new Moves(violations);
    this.volleys = new Volleys(violations);
  }

  get count(): number {
    return this.shards.reduce((sum, events) => sum + events.length, 0);
  }

  get forwards(): number {
    return this.#forwards.size;
  }

  get actors(): string[] {
    return [...this.#states.keys()];
  }

  event(mark: string): SeenEvent | undefined {
    return this.#byMark.get(mark);
  }

  /** The state that the events up to a version make; undefined when not so many have been seen. */
  state(actor: string, version: number): State | undefined {
    return this.#states.get(actor)?.[version];
  }

  take(event: SeenEvent): void {
    const where =
      `${event.actor} version ${event.version} (shard ${event.shard}, position ${event.position})`;
    const log = this.shards[event.shard] ??= [];
    const previous = log.at(-1);
    const expected = (previous?.position ?? 0) + 1;
    if (event.position !== expected) {
      this.violations.add(`Reader expected position ${expected}, but got ${where}`);
    }
    if (previous && event.at < previous.at) this.violations.add(`Time went back at ${where}`);
    log.push(event);
    if (isSaga(event.actor)) this.#takeJournal(event, where);
    else this.#takeEvent(event, where);
    this.#wake();
  }

  /** A turn of a saga may record several events. */
  #takeJournal(event: SeenEvent, where: string): void {
    const version = (this.#journals.get(event.actor) ?? 0) + 1;
    if (event.version !== version) this.violations.add(`Version ${version} was due, but got ${where}`);
    this.#journals.set(event.actor, version);
    this.moves.takeJournal(event);
  }

  #takeEvent(event: SeenEvent, where: string): void {
    const states = this.#states.get(event.actor) ?? [initialState(event.actor)];
    this.#states.set(event.actor, states);
    if (event.version !== states.length) {
      this.violations.add(`Version ${states.length} was due, but got ${where}`);
    }
    states[event.version] = fold(states[event.version - 1] ?? initialState(event.actor), event);

    const message = `${event.messageId} ${event.actor}`;
    const mark = markOf(event);
    if (this.#messages.has(message)) this.violations.add(`Message ${message} was handled twice: ${where}`);
    if (this.#byMark.has(mark)) this.violations.add(`Command took effect twice: ${mark}, at ${where}`);
    this.#messages.add(message);
    this.#byMark.set(mark, event);
    this.echoes.take(event);
    if (event.actor.startsWith("alarm/")) this.alarms.take(event);
    if (event.actor.startsWith("volley/")) this.#takeVolley(event);
    if (event.actor.startsWith("vault/")) this.moves.takeStep(event);
    else if (event.type === "Received") this.#received(event);
    else if (!unasked.has(event.type)) this.#attribute(mark, event, where);
  }

  /** @returns Whether all that is awaited has been seen in time. */
  async complete(deadlineMs: number): Promise<boolean> {
    const isComplete = () =>
      this.ledger.awaited.size === 0 && this.#openForwards.size === 0 && this.echoes.isComplete &&
      this.alarms.isComplete && this.moves.isComplete && this.volleys.isComplete;
    const endAt = performance.now() + deadlineMs;
    while (await this.#until(isComplete, endAt - performance.now())) {
      // Too much to be looked through with each event that comes. More may come while it is waited for.
      if (this.echoes.replayGaps().length === 0 || performance.now() > endAt) return true;
      await new Promise((resolve) => setTimeout(resolve, GAPS_DELAY_MS));
    }
    return false;
  }

  /** @returns The state at a version, once that has been seen; undefined when it is not seen in time. */
  async awaitState(actor: string, version: number, deadlineMs: number): Promise<State | undefined> {
    await this.#until(() => this.state(actor, version) !== undefined, deadlineMs);
    return this.state(actor, version);
  }

  /**
   * All events up to these positions, shard by shard.
   *
   * @returns Undefined when they are not there in time.
   */
  async eventsUpTo(
    positions: ReadonlyMap<number, number>,
    deadlineMs: number,
  ): Promise<SeenEvent[] | undefined> {
    const isThere = ([shard, position]: [number, number]) => (this.shards[shard]?.length ?? 0) >= position;
    if (!await this.#until(() => [...positions].every(isThere), deadlineMs)) return undefined;
    return [...positions].flatMap(([shard, position]) => this.shards[shard]?.slice(0, position) ?? []);
  }

  /** Consistency token of all that has been seen. */
  get token(): string {
    return this.tokenBefore(0);
  }

  /** Consistency token of all but the last so many events of each shard; empty where there are not so many. */
  tokenBefore(events: number): string {
    return Array.from(this.shards, (log, shard) => [shard, (log?.length ?? 0) - events])
      .filter(([, position = 0]) => position > 0).map((pair) => pair.join(".")).join("_");
  }

  /** To be called when nothing is on its way any more: all that must have followed has. */
  checkFollowing(): void {
    this.#checkForwards();
    this.echoes.check();
    this.alarms.check();
    this.moves.check();
    this.volleys.check();
  }

  #checkForwards(): void {
    for (const name of this.#openForwards) {
      const { forwarded } = this.#forwards.get(name) ?? {};
      this.violations.add(forwarded ? `Message was sent but never received: ${name}` : `Nobody sent ${name}`);
    }
    for (const [name, { forwarded, received }] of this.#forwards) {
      if (!forwarded || !received) continue;
      if (
        received.causationId !== forwarded.messageId || received.correlationId !== forwarded.correlationId
      ) {
        this.violations.add(`Received ${name} does not name the message that caused it`);
      }
    }
  }

  async #until(isMet: () => boolean, deadlineMs: number): Promise<boolean> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, deadlineMs);
    while (!isMet() && !isLate) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
    return isMet();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #attribute(mark: string, event: SeenEvent, where: string): void {
    const command = this.ledger.sent.get(mark);
    this.ledger.awaited.delete(mark);
    if (!command) return this.violations.add(`Nobody sent what is at ${where}: ${mark}`);
    if (this.ledger.denied.has(mark)) this.violations.add(`Command was refused, yet is at ${where}: ${mark}`);
    if (command.key !== undefined && command.key !== event.messageId) {
      this.violations.add(`Message has the id ${event.messageId}, not its key ${command.key}: ${where}`);
    }
    if (command.order) {
      this.#checkPlace(`${command.order.sender} to ${event.actor}`, command.order.place, where);
    }
    if (event.type !== "Forwarded") return;
    for (const to of event.payload.to as string[]) {
      this.#meet(`${event.actor}:${event.version} to inbox/${to}`, { forwarded: event });
    }
  }

  #received(event: SeenEvent): void {
    const { from, n } = event.payload;
    const sender = `forwarder/${from}`;
    this.#checkPlace(`${sender} to ${event.actor}`, Number(n), `version ${event.version} of it`);
    this.#meet(`${sender}:${n} to ${event.actor}`, { received: event });
  }

  #takeVolley(event: SeenEvent): void {
    this.volleys.take(event);
    // Its saga was begun by the same commit.
    if (event.type === "Fired") this.moves.accepted(`v${event.payload.tag}`);
  }

  #checkPlace(way: string, place: number, where: string): void {
    const last = this.#places.get(way) ?? -1;
    if (place <= last) {
      this.violations.add(`Order was lost from ${way}: ${place} came after ${last}, at ${where}`);
    }
    this.#places.set(way, place);
  }

  #meet(name: string, side: Partial<Forward>): void {
    const both = { forwarded: undefined, received: undefined, ...this.#forwards.get(name), ...side };
    this.#forwards.set(name, both);
    if (both.forwarded && both.received) this.#openForwards.delete(name);
    else this.#openForwards.add(name);
  }
}
