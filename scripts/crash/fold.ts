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
    case "inbox":
      return { received: 0 };
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
    default:
      throw new TypeError(`Cannot fold an event of type ${type}`);
  }
}

/** What a command that recorded an event must have answered, from the state after it. */
export function replyOf(actor: string, state: State): State {
  return typeOf(actor) === "account" ? { balance: state.balance } : state;
}

/** What tells the event of one command from those of all others. */
export function markOf({ actor, type, payload }: Pick<SeenEvent, "actor" | "type" | "payload">): string {
  const { by, owner, amount, tag, from, n } = payload;
  return `${actor} ${type} ${by ?? owner ?? amount ?? tag ?? `${from}:${n}`}`;
}

function typeOf(actor: string): string {
  return actor.slice(0, actor.indexOf("/"));
}
