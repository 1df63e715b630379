import { projection, query } from "folio";
import { z } from "zod";
import { account } from "./account.ts";

const Balance = z.object({ account: z.string(), owner: z.string(), balance: z.int() });
const rows = `SELECT account, owner, balance FROM balances`;

/** All open accounts with what is on them. */
export const balances = projection("balances", {
  version: 1,
  from: [account],
  tables: [
    `CREATE TABLE balances (account TEXT PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL)`,
    `CREATE INDEX balances_by_owner ON balances (owner)`,
    `CREATE INDEX balances_by_balance ON balances (balance)`,
  ],
  on: {
    "account/Opened": (write, event) =>
      write(`INSERT INTO balances VALUES (?, ?, 0)`, [event.key, event.payload.owner]),
    "account/Deposited": (write, event) =>
      write(`UPDATE balances SET balance = balance + ? WHERE account = ?`, [event.payload.amount, event.key]),
    "account/Withdrawn": (write, event) =>
      write(`UPDATE balances SET balance = balance - ? WHERE account = ?`, [event.payload.amount, event.key]),
    "account/Closed": (write, event) => write(`DELETE FROM balances WHERE account = ?`, [event.key]),
  },
  queries: {
    "all": query(z.object({}), Balance, () => [`${rows} ORDER BY account`]),
    "by-owner": query(
      z.object({ owner: z.string() }),
      Balance,
      ({ owner }) => [`${rows} WHERE owner = ? ORDER BY account`, [owner]],
    ),
    "top": query(
      z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(10) }),
      Balance,
      ({ limit }) => [`${rows} ORDER BY balance DESC, account LIMIT ?`, [limit]],
    ),
  },
});
