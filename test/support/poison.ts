/** Values that a store refuses for good, and modules that write them in every way there is. */
import { activity, actor, command, saga } from "folio";
import { z } from "zod";

/** What no table takes that the test has closed to it. */
export const POISON = "po1son";

/** Columns that may hold what a module writes, by table. */
const columns = {
  events: ["payload"],
  messages: ["input", "failures", "outcome"],
  timers: ["message"],
  outbox: ["message"],
  snapshots: ["state"],
} as const;
export type PoisonTable = keyof typeof columns;

/** Statements that let SQLite itself refuse whatever has the mark in it, in these tables. */
export function closedTo(...tables: PoisonTable[]): string[] {
  return tables.flatMap((table) => {
    const found = columns[table].map((column) => `instr(new.${column}, '${POISON}') > 0`).join(" OR ");
    return ["INSERT", "UPDATE"].map((change) =>
      `CREATE TRIGGER poison_${table}_${change} BEFORE ${change} ON ${table} WHEN ${found}
        BEGIN SELECT RAISE(ABORT, 'no poison here'); END`
    );
  });
}

export const allTables: readonly PoisonTable[] = ["events", "messages", "timers", "outbox", "snapshots"];

/** Opens what `closedTo` has closed. */
export function openedFor(...tables: PoisonTable[]): string[] {
  return tables.flatMap((table) =>
    ["INSERT", "UPDATE"].map((change) => `DROP TRIGGER poison_${table}_${change}`)
  );
}

const noted = z.object({ text: z.string() });

/** Gives what is not to be had. */
export const distil = activity("distil", {
  input: z.object({ isPoison: z.boolean() }),
  output: noted,
  retry: { attemptsMax: 3, jitter: 0 },
  run: ({ isPoison }) => Promise.resolve({ text: isPoison ? POISON : "water" }),
});

/** Notes numbers in order; each command puts poison where its name says. */
export const vault = actor("vault", {
  initialState: () => ({ notes: [] as number[], told: [] as string[] }),
  events: { Noted: z.object({ n: z.int(), text: z.string() }), Told: noted },
  evolve: {
    Noted: (state, { n }) => ({ ...state, notes: [...state.notes, n] }),
    Told: (state, { text }) => ({ ...state, told: [...state.told, text] }),
  },
  retry: { attemptsMax: 3, jitter: 0 },
  commands: {
    note: command(z.object({ n: z.int(), isPoison: z.boolean().default(false) }), (turn, input) => {
      turn.emit("Noted", { n: input.n, text: input.isPoison ? POISON : "water" });
      return { notes: turn.state.notes.length };
    }),
    /** Keeps what it is given, as its input only. */
    keep: command(z.object({ n: z.int(), text: z.string() }), (turn, { n }) => {
      turn.emit("Noted", { n, text: "water" });
    }),
    answer: command(z.object({}), () => ({ text: POISON })),
    fail: command(z.object({}), () => {
      throw new Error(POISON);
    }),
    send: command(
      z.object({ to: z.string(), n: z.int().default(0), text: z.string().default(POISON) }),
      (turn, { to, n, text }) => {
        turn.send(vault.ref(to).keep({ n, text }));
      },
    ),
    later: command(z.object({ text: z.string().default(POISON) }), (turn, { text }) => {
      turn.schedule("later", { after: "5s" }, vault.ref(turn.key).keep({ n: 1, text }));
    }),
    laterPoison: command(z.object({}), (turn) => {
      turn.schedule("later", { after: "5s" }, vault.ref(turn.key).note({ n: 1, isPoison: true }));
    }),
    distil: command(z.object({ isPoison: z.boolean() }), (turn, input) => {
      turn.perform(distil, input, { onDone: "told", onFailed: "told" });
    }),
    told: command(z.any(), (turn, input) => {
      turn.emit("Told", { text: input.error ? "dead" : input.output.text });
    }),
  },
});

/** Completes with what it is told to. */
export const brew = saga("brew", {
  input: z.object({ isPoison: z.boolean() }),
  output: noted,
  run: (_saga, { isPoison }) => Promise.resolve({ text: isPoison ? POISON : "water" }),
});

/** Keeps all that it is given, and is stored whole after each event. */
export const hoard = actor("hoard", {
  initialState: () => ({ texts: [] as string[] }),
  events: { Kept: noted },
  evolve: { Kept: (state, { text }) => ({ texts: [...state.texts, text] }) },
  snapshot: { every: 1 },
  commands: { keep: command(noted, (turn, { text }) => turn.emit("Kept", { text })) },
});
