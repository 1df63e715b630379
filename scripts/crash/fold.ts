/**
 * What the actors under fire should make of their events, written a second time and without a line of
 * Folio's: so that the server's states can be compared with something.
 */

/** An event as the HTTP API shows it. */
export interface SeenEvent {
  readonly shard: number;
  readonly position: number;
  readonly actor: string;
  readonly version: number;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly at: string;
  readonly messageId: string;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly token?: string;
}

export type State = Readonly<Record<string, unknown>>;

export function initialState(actor: string): State {
  switch (typeOf(actor)) {
    case "counter":
      return { value: 0 };
    case "account":
      return { open: false, closed: false, owner: "", balance: 0 };
    case "forwarder":
      return { forwarded: 0 };
    case "alarm":
    case "volley":
    case "parcel":
      return { events: 0 };
    case "vault":
      return { balance: 0 };
    case "inbox":
      return { received: 0 };
    case "echo":
      return { echoed: 0 };
    default:
      throw new TypeError(`Cannot fold ${actor}: its type is not known`);
  }
}

export function fold(state: State, { type, payload }: SeenEvent): State {
  const number = (name: string) => Number(state[name]);
  switch (type) {
    case "Incremented":
      return { value: number("value") + Number(payload.by) };
    case "Opened":
      return { ...state, open: true, owner: payload.owner };
    case "Deposited":
      return { ...state, balance: number("balance") + Number(payload.amount) };
    case "Withdrawn":
      return { ...state, balance: number("balance") - Number(payload.amount) };
    case "Forwarded":
      return { forwarded: number("forwarded") + 1 };
    case "Received":
      return { received: number("received") + 1 };
    case "Armed":
    case "Dropped":
    case "Rang":
    case "Fired":
    case "Heard":
    case "Burst":
    case "Stamped":
    case "Packed":
    case "Sealed":
      return { events: number("events") + 1 };
    case "Taken":
      return { balance: number("balance") - 1 };
    case "Given":
    case "Returned":
      return { balance: number("balance") + 1 };
    case "Echoed":
      return { echoed: number("echoed") + 1 };
    default:
      throw new TypeError(`Cannot fold an event of type ${type}`);
  }
}

/** What a command that recorded an event must have answered, from the state after it. */
export function replyOf(actor: string, state: State): State {
  return typeOf(actor) === "account" ? { balance: state.balance } : state;
}

/** What tells the event of one command from those of all others. */
export function markOf({ actor, type, payload, messageId }: SeenEvent): string {
  // A reactor may be made to send again, in another message.
  if (type === "Echoed") return `${actor} ${type} ${messageId}`;
  const { by, owner, amount, tag, move, from, n } = payload;
  return `${actor} ${type} ${by ?? owner ?? amount ?? tag ?? move ?? `${from}:${n}`}`;
}

/** A row of the projection under fire. */
export interface Tally {
  readonly name: string;
  readonly events: number;
  readonly digest: number;
}

/** The rows of the projection under fire, as they must be after these events. */
export function tallyAll(events: Iterable<SeenEvent>): Tally[] {
  const rows = new Map<string, Tally>();
  const add = (name: string, n: number) => {
    const { events, digest } = rows.get(name) ?? { events: 0, digest: 0 };
    rows.set(name, { name, events: events + 1, digest: (digest * 31 + n) % 1_000_003 });
  };
  for (const { actor, version, shard, position } of events) {
    if (isSaga(actor)) continue;
    add(actor, version);
    add(`shard ${shard}`, position);
  }
  return [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether a stream is the journal of a saga, which is Folio's own. */
export function isSaga(actor: string): boolean {
  return typeOf(actor) === "move";
}

function typeOf(actor: string): string {
  return actor.slice(0, actor.indexOf("/"));
}
