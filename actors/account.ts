import { actor, command } from "folio";
import { z } from "zod";

const Amount = z.object({ amount: z.int().positive() });
const Balance = z.object({ balance: z.int() });

/** A bank account. Amounts are whole cents; the balance is never below zero. */
export const account = actor("account", {
  initialState: () => ({ open: false, closed: false, owner: "", balance: 0 }),
  events: {
    Opened: z.object({ owner: z.string() }),
    Deposited: Amount,
    Withdrawn: Amount,
    Closed: z.object({}),
  },
  rejections: {
    "already-open": z.object({}),
    "not-open": z.object({}),
    "account-closed": z.object({}),
    "insufficient-funds": Balance,
  },
  invariants: {
    "the balance is not below zero": ({ balance }) => balance >= 0,
    "a closed account is not open": ({ open, closed }) => !(open && closed),
  },
  evolve: {
    Opened: (state, event) => ({ ...state, open: true, owner: event.owner }),
    Deposited: (state, event) => ({ ...state, balance: state.balance + event.amount }),
    Withdrawn: (state, event) => ({ ...state, balance: state.balance - event.amount }),
    Closed: (state) => ({ ...state, open: false, closed: true }),
  },
  commands: {
    open: command(z.object({ owner: z.string().min(1).max(200) }), (turn, input) => {
      if (turn.state.open) turn.reject("already-open");
      if (turn.state.closed) turn.reject("account-closed");
      turn.emit("Opened", { owner: input.owner });
      return { balance: turn.state.balance };
    }, { reply: Balance }),
    deposit: command(Amount, (turn, input) => {
      if (turn.state.closed) turn.reject("account-closed");
      if (!turn.state.open) turn.reject("not-open");
      turn.emit("Deposited", { amount: input.amount });
      return { balance: turn.state.balance };
    }, { reply: Balance }),
    withdraw: command(Amount, (turn, input) => {
      if (turn.state.closed) turn.reject("account-closed");
      if (!turn.state.open) turn.reject("not-open");
      if (turn.state.balance < input.amount) {
        turn.reject("insufficient-funds", { balance: turn.state.balance });
      }
      turn.emit("Withdrawn", { amount: input.amount });
      return { balance: turn.state.balance };
    }, { reply: Balance }),
    close: command(z.object({}), (turn) => {
      if (turn.state.closed) turn.reject("account-closed");
      if (!turn.state.open) turn.reject("not-open");
      turn.emit("Closed", {});
      return { balance: turn.state.balance };
    }, { reply: Balance }),
  },
});
