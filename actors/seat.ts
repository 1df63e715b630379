import { actor, command, type CommandRequest } from "folio";
import { z } from "zod";

const HOLD_MS = 15 * 60_000;
/** What a seat costs, in cents. */
const PRICE = 4_200;

const Reservation = z.object({ reservation: z.string().min(1).max(100) });

/** Who holds a seat, or has it for good. */
interface Holder {
  readonly reservation: string;
  readonly by: string;
  /** Milliseconds since the Unix epoch; null once it is confirmed. */
  readonly heldUntil: number | null;
}

/**
 * A seat that is held for somebody for 15 minutes, and then either confirmed or free again. Reservations are
 * numbered by the event that made them, so a seat knows its own old ones without keeping a list of them.
 */
export const seat = actor("seat", {
  initialState: () => ({ price: PRICE, holder: null as Holder | null }),
  events: {
    Reserved: z.object({ reservation: z.string(), by: z.string(), price: z.int(), heldUntil: z.int() }),
    Confirmed: Reservation,
    Released: Reservation,
    Expired: Reservation,
  },
  rejections: {
    "already-reserved": z.object({ heldUntil: z.int().nullable() }),
    "unknown-reservation": z.object({}),
    "reservation-ended": z.object({}),
  },
  invariants: {
    "the seat costs something": ({ price }) => price > 0,
    "who has the seat is named, and so is their reservation": ({ holder }) =>
      holder === null || (holder.by !== "" && holder.reservation !== ""),
  },
  evolve: {
    Reserved: (state, { reservation, by, price, heldUntil }) => ({
      ...state,
      price,
      holder: { reservation, by, heldUntil },
    }),
    Confirmed: (state) => ({ ...state, holder: state.holder && { ...state.holder, heldUntil: null } }),
    Released: (state) => ({ ...state, holder: null }),
    Expired: (state) => ({ ...state, holder: null }),
  },
  commands: {
    reserve: command(z.object({ by: z.string().min(1).max(200) }), (turn, { by }) => {
      const { holder, price } = turn.state;
      if (holder && !isOver(holder, turn.now)) {
        turn.reject("already-reserved", { heldUntil: holder.heldUntil });
      }
      if (holder) turn.emit("Expired", { reservation: holder.reservation });
      const reservation = `${turn.version + 1}.${turn.id()}`;
      const heldUntil = turn.now + HOLD_MS;
      turn.emit("Reserved", { reservation, by, price, heldUntil });
      turn.schedule("hold", { at: heldUntil }, expire(turn.key, reservation));
      return { reservation, price, heldUntil };
    }, { reply: z.object({ reservation: z.string(), price: z.int(), heldUntil: z.int() }) }),

    /** Confirming again what is confirmed changes nothing. */
    confirm: command(Reservation, (turn, { reservation }) => {
      const { holder } = turn.state;
      if (!wasMade(reservation, turn.version)) return turn.reject("unknown-reservation");
      if (holder?.reservation !== reservation || isOver(holder, turn.now)) {
        return turn.reject("reservation-ended");
      }
      if (holder.heldUntil !== null) {
        turn.emit("Confirmed", { reservation });
        turn.cancel("hold");
      }
      return { reservation, by: holder.by };
    }, { reply: z.object({ reservation: z.string(), by: z.string() }) }),

    /** Gives a seat back, also a confirmed one. What has ended already is no error: it is what was asked for. */
    release: command(Reservation, (turn, { reservation }) => {
      if (turn.state.holder?.reservation !== reservation) {
        if (!wasMade(reservation, turn.version)) turn.reject("unknown-reservation");
        return { released: false };
      }
      turn.emit("Released", { reservation });
      turn.cancel("hold");
      return { released: true };
    }, { reply: z.object({ released: z.boolean() }) }),

    /** Sent by the timer of the hold. */
    expire: command(Reservation, (turn, { reservation }) => {
      const { holder } = turn.state;
      if (holder?.reservation === reservation && isOver(holder, turn.now)) {
        turn.emit("Expired", { reservation });
      }
    }, { isInternal: true }),
  },
});

function isOver(holder: Holder, now: number): boolean {
  return holder.heldUntil !== null && now >= holder.heldUntil;
}

/** Whether a seat at this version can have made the reservation. */
function wasMade(reservation: string, version: number): boolean {
  return Number(/^([1-9]\d*)\.\S/.exec(reservation)?.[1] ?? Infinity) <= version;
}

/** A request made by hand: a definition that takes part in its own making has no type. */
function expire(key: string, reservation: string): CommandRequest {
  return { type: "seat", key, command: "expire", input: { reservation } };
}
