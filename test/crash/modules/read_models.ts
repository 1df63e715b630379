import { actor, command, projection, query, reactor } from "folio";
import { z } from "zod";
import { account } from "../../../actors/account.ts";
import { counter } from "../../../actors/counter.ts";
import { alarm } from "./alarms.ts";
import { vault } from "./moves.ts";
import { parcel } from "./parcels.ts";
import { forwarder, inbox } from "./relay.ts";
import { volley } from "./volleys.ts";

const Place = z.object({ shard: z.int(), position: z.int() });

/** Writes down which events it was told of. */
export const echo = actor("echo", {
  initialState: () => ({ echoed: 0 }),
  events: { Echoed: Place },
  evolve: { Echoed: (state) => ({ echoed: state.echoed + 1 }) },
  commands: { hear: command(Place, (turn, place) => turn.emit("Echoed", place)) },
});

/** Tells of each increment once: what is lost, doubled or out of order shows in the echoes. */
export const echoes = reactor("echoes", {
  from: [counter],
  startFrom: "beginning",
  on: {
    "counter/Incremented": (react, { shard, position }) =>
      react.send(echo.ref(`e${position % 4}`).hear({ shard, position })),
  },
});

/** Not idempotent, and in order: an event that is lost, doubled or out of turn makes other rows. */
export const tallies = projection("tallies", {
  version: 1,
  from: [account, alarm, counter, echo, forwarder, inbox, parcel, vault, volley],
  tables: [
    `CREATE TABLE tallies (name TEXT PRIMARY KEY, events INTEGER NOT NULL, digest INTEGER NOT NULL)`,
    `CREATE TABLE shards (name TEXT PRIMARY KEY, events INTEGER NOT NULL, digest INTEGER NOT NULL)`,
  ],
  on: Object.fromEntries(
    [
      ...["account/Opened", "account/Deposited", "account/Withdrawn", "counter/Incremented"],
      ...["alarm/Armed", "alarm/Dropped", "alarm/Rang", "echo/Echoed", "forwarder/Forwarded"],
      ...["inbox/Received", "vault/Taken", "vault/Given", "vault/Returned"],
      ...["volley/Fired", "volley/Heard", "volley/Burst", "volley/Stamped"],
      ...["parcel/Packed", "parcel/Sealed"],
    ].map((name) => [name, tally]),
  ),
  queries: {
    all: query(z.object({}), z.object({ name: z.string(), events: z.int(), digest: z.int() }), () => [
      `SELECT name, events, digest FROM tallies UNION ALL SELECT name, events, digest FROM shards ORDER BY name`,
    ]),
  },
});

type Write = (sql: string, args: (string | number)[]) => void;

function tally(
  write: Write,
  event: { actor: string; version: number; shard: number; position: number },
): void {
  const upsert = (table: string) =>
    `INSERT INTO ${table} VALUES (?1, 1, ?2)
      ON CONFLICT (name) DO UPDATE SET events = events + 1, digest = (digest * 31 + ?2) % 1000003`;
  write(upsert("tallies"), [event.actor, event.version % 1_000_003]);
  write(upsert("shards"), [`shard ${event.shard}`, event.position % 1_000_003]);
}
