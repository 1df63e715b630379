import { z } from "zod";
import { activity, actor, command, projection, query, reactor, saga, schedule } from "../../src/mod.ts";

const amount = z.int().positive();
const Payment = z.object({ to: z.string(), n: z.int(), amount });
const Receipt = z.object({ from: z.string(), n: z.int(), amount });
const Move = z.object({ move: z.string(), amount });
const Reminder = z.object({ name: z.string(), note: z.int(), dueAt: z.int() });

/** What a printed sheet is told apart by; a simulation counts how often each was printed. */
export interface Press {
  readonly sheets: Map<string, number>;
}

/** What the disks of some seeds take nowhere. */
export const UNWRITABLE = "unwritable!";
/** Where a command puts that. `failure`: into the text of its error. */
export const taintedPlaces = ["input", "event", "reply", "sent", "timer", "failure"] as const;
const Taint = z.object({ where: z.enum(taintedPlaces), to: z.string(), mark: z.string() });

/** Events after which a purse is closed: whatever comes next opens it again. */
export const closedBy = ["Deposited", "Withdrawn", "Received", "Printed", "Given", "Dropped"] as const;

/**
 * Modules that use every part of the engine, and whose log tells what must have happened.
 *
 * @param archives Whether purses that rest are archived.
 */
export function examModules(press: Press, archives = false) {
  const print = activity("print", {
    input: z.object({ sheet: z.string() }),
    output: z.object({ sheet: z.string() }),
    retry: { attemptsMax: 8 },
    timeout: "15s",
    run: ({ sheet }) => {
      press.sheets.set(sheet, (press.sheets.get(sheet) ?? 0) + 1);
      return Promise.resolve({ sheet });
    },
  });

  const purse = actor("purse", {
    initialState: () => ({ balance: 0, version: 0 }),
    events: {
      Deposited: z.object({ amount }),
      Withdrawn: z.object({ amount }),
      Paid: Payment,
      Received: Receipt,
      Reminded: Reminder,
      Dropped: z.object({ name: z.string() }),
      Rang: z.object({ note: z.int() }),
      Asked: z.object({ id: z.string() }),
      Printed: z.object({ id: z.string() }),
      Unprinted: z.object({ id: z.string() }),
      Taken: Move,
      Given: Move,
      Returned: Move,
      Tainted: z.object({ mark: z.string() }),
    },
    evolve: {
      Deposited: (state, event) => changed(state, event.amount),
      Withdrawn: (state, event) => changed(state, -event.amount),
      Paid: (state, event) => changed(state, -event.amount),
      Received: (state, event) => changed(state, event.amount),
      Reminded: (state) => changed(state, 0),
      Dropped: (state) => changed(state, 0),
      Rang: (state) => changed(state, 0),
      Asked: (state) => changed(state, 0),
      Printed: (state) => changed(state, 0),
      Unprinted: (state) => changed(state, 0),
      Taken: (state, event) => changed(state, -event.amount),
      Given: (state, event) => changed(state, event.amount),
      Returned: (state, event) => changed(state, event.amount),
      Tainted: (state) => changed(state, 0),
    },
    rejections: { "too-little": z.object({ balance: z.int() }), "unwanted": z.object({}) },
    snapshot: { every: 5 },
    ...archives ? { archive: { closedBy, after: "500ms" } } : {},
    invariants: [({ balance }) => balance >= 0],
    commands: {
      deposit: command(z.object({ amount, times: z.int().min(1).max(5) }), (turn, { amount, times }) => {
        for (let n = 0; n < times; n++) turn.emit("Deposited", { amount });
        return turn.state;
      }),
      withdraw: command(z.object({ amount }), (turn, { amount }) => {
        const { balance } = turn.state;
        if (balance < amount) turn.reject("too-little", { balance });
        turn.emit("Withdrawn", { amount });
        return turn.state;
      }),
      pay: command(Payment, (turn, input) => {
        const { balance } = turn.state;
        if (balance < input.amount) turn.reject("too-little", { balance });
        turn.emit("Paid", input);
        const receive = { from: turn.key, n: input.n, amount: input.amount };
        turn.send({ type: "purse", key: input.to, command: "receive", input: receive });
        return turn.state;
      }),
      receive: command(Receipt, (turn, input) => turn.emit("Received", input)),
      remind: command(z.object({ name: z.string(), note: z.int(), afterMs: z.int() }), (turn, input) => {
        const { name, note } = input;
        const dueAt = turn.now + input.afterMs;
        turn.emit("Reminded", { name, note, dueAt });
        turn.schedule(name, { at: dueAt }, {
          type: "purse",
          key: turn.key,
          command: "ring",
          input: { note },
        });
        return turn.state;
      }),
      drop: command(z.object({ name: z.string() }), (turn, { name }) => {
        turn.emit("Dropped", { name });
        turn.cancel(name);
        return turn.state;
      }),
      ring: command(z.object({ note: z.int() }), (turn, input) => turn.emit("Rang", input)),
      print: command(z.object({}), (turn) => {
        const id = turn.perform(print, { sheet: turn.id() }, {
          onDone: "printed",
          onFailed: "unprinted",
          key: turn.key,
        });
        turn.emit("Asked", { id });
        return turn.state;
      }),
      printed: command(z.object({ id: z.string() }), (turn, { id }) => turn.emit("Printed", { id })),
      unprinted: command(z.object({ id: z.string() }), (turn, { id }) => turn.emit("Unprinted", { id })),
      take: command(Move, (turn, input) => {
        const { balance } = turn.state;
        if (balance < input.amount) turn.reject("too-little", { balance });
        turn.emit("Taken", input);
      }),
      give: command(Move.extend({ isWanted: z.boolean() }), (turn, { move, amount, isWanted }) => {
        if (!isWanted) turn.reject("unwanted", {});
        turn.emit("Given", { move, amount });
      }),
      giveBack: command(Move, (turn, input) => turn.emit("Returned", input)),
      taint: command(Taint, (turn, { where, to }) => {
        if (where === "failure") throw new Error(UNWRITABLE);
        const request = {
          type: "purse",
          key: to,
          command: "taint",
          input: { where: "input", to, mark: UNWRITABLE },
        };
        turn.emit("Tainted", { mark: where === "event" ? UNWRITABLE : "" });
        if (where === "sent") turn.send(request);
        if (where === "timer") turn.schedule("taint", { after: "5s" }, request);
        return where === "reply" ? { mark: UNWRITABLE } : {};
      }),
      look: command(z.object({}), (turn) => turn.state),
    },
  });

  const move = saga("move", {
    input: Move.extend({ from: z.string(), to: z.string(), isWanted: z.boolean() }),
    run: async (step, { move, amount, from, to, isWanted }) => {
      await step.ask("take", purse.ref(from).take({ move, amount }), {
        undo: () => purse.ref(from).giveBack({ move, amount }),
      });
      await step.sleep("think", "5s");
      await step.perform("print", print, { sheet: move });
      await step.ask("give", purse.ref(to).give({ move, amount, isWanted }));
    },
  });

  const audit = actor("audit", {
    initialState: () => ({ count: 0 }),
    events: { Audited: z.object({ shard: z.int(), position: z.int() }) },
    evolve: { Audited: (state) => ({ count: state.count + 1 }) },
    commands: {
      note: command(
        z.object({ shard: z.int(), position: z.int() }),
        (turn, input) => turn.emit("Audited", input),
      ),
    },
  });

  const bell = actor("bell", {
    initialState: () => ({ count: 0 }),
    events: { Chimed: z.object({}) },
    evolve: { Chimed: (state) => ({ count: state.count + 1 }) },
    commands: { chime: command(z.object({}), (turn) => turn.emit("Chimed", {})) },
  });

  const minutely = schedule(
    "minutely",
    { cron: "* * * * *", misfire: "run-once" },
    bell.ref("minute").chime({}),
  );
  const hourly = schedule("hourly", { cron: "0 * * * *", misfire: "catch-up" }, bell.ref("hour").chime({}));

  const auditor = reactor("auditor", {
    from: [purse],
    startFrom: "beginning",
    on: {
      "purse/Received": (react, { shard, position, key }) =>
        react.send(audit.ref(key).note({ shard, position })),
    },
  });

  const totals = projection("totals", {
    version: 1,
    from: [purse],
    tables: [
      `CREATE TABLE totals (purse TEXT PRIMARY KEY, deposited INTEGER NOT NULL, events INTEGER NOT NULL)`,
    ],
    on: {
      "purse/Deposited": (write, { key, payload }) =>
        write(
          `INSERT INTO totals VALUES (?1, ?2, 1)
            ON CONFLICT (purse) DO UPDATE SET deposited = deposited + ?2, events = events + 1`,
          [key, payload.amount],
        ),
    },
    queries: {
      all: query(
        z.object({}),
        z.object({ purse: z.string(), deposited: z.int(), events: z.int() }),
        () => [`SELECT purse, deposited, events FROM totals ORDER BY purse`],
      ),
    },
  });

  return {
    purse,
    audit,
    modules: [purse, audit, auditor, bell, minutely, hourly, totals, print, move] as const,
  };
}

function changed(state: { balance: number; version: number }, by: number) {
  return { balance: state.balance + by, version: state.version + 1 };
}
