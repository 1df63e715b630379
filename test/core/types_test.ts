/**
 * What a module's author gets wrong is a compile error. `deno check` runs this file's real assertions: a line
 * below `@ts-expect-error` that compiles makes it fail.
 */
import { actor, command, type CommandRequest, event } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";

/** Whether two types are the same, and not merely assignable. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** Takes `true` only, and no `any`. */
function holds<_Claim extends true>(): void {}

const Amount = z.object({ amount: z.int() });

const till = actor("till", {
  initialState: () => ({ open: false, cents: 0 }),
  events: {
    Opened: z.object({ by: z.string(), float: z.int().default(0) }),
    Paid: event(Amount, { from: { 1: (old: { cents: number }) => ({ amount: old.cents }) } }),
  },
  rejections: { "closed": z.object({}), "too-much": z.object({ limit: z.int() }) },
  evolve: {
    Opened: (state, event) => {
      holds<Same<typeof state, { open: boolean; cents: number }>>();
      // A default has been filled in by the time an event is recorded.
      holds<Same<typeof event, { by: string; float: number }>>();
      return { ...state, open: true, cents: event.float };
    },
    Paid: (state, event) => ({ ...state, cents: state.cents + event.amount }),
  },
  commands: {
    open: command(z.object({ by: z.string().default("nobody") }), (turn, input) => {
      holds<Same<typeof input, { by: string }>>();
      holds<Same<typeof turn.state, { open: boolean; cents: number }>>();
      turn.emit("Opened", { by: input.by });
    }),
    pay: command(Amount, (turn, input) => {
      if (!turn.state.open) turn.reject("closed");
      if (input.amount > 100) turn.reject("too-much", { limit: 100 });
      turn.emit("Paid", { amount: input.amount });
      return { cents: turn.state.cents, change: input.amount > 50 ? "some" as const : null };
    }),
    count: command(z.object({}), (turn) => turn.state.cents, { reply: z.int() }),
  },
});

type AnswerOf<Request> = Request extends CommandRequest<infer Reply, infer Rejection>
  ? { reply: Reply; rejection: Rejection }
  : never;

test("replies and rejections are inferred from the handlers", () => {
  const pay = till.ref("1").pay({ amount: 5 });
  holds<Same<AnswerOf<typeof pay>["reply"], { cents: number; change: "some" | null }>>();
  holds<
    Same<
      AnswerOf<typeof pay>["rejection"],
      { readonly code: "closed"; readonly details: Record<string, never> } | {
        readonly code: "too-much";
        readonly details: { limit: number };
      }
    >
  >();
  const count = till.ref("1").count();
  holds<Same<AnswerOf<typeof count>["reply"], number>>();
  const open = till.ref("1").open();
  holds<Same<AnswerOf<typeof open>["reply"], void>>();
  expect([pay.command, count.command, open.command]).toEqual(["pay", "count", "open"]);
});

test("a ref takes what a command takes, and nothing else", () => {
  const ref = till.ref("1");
  // @ts-expect-error -- no such command
  expect(() => ref.steal({ amount: 5 })).toThrow(TypeError);
  // @ts-expect-error -- a string for a number
  ref.pay({ amount: "5" });
  // @ts-expect-error -- no input
  ref.pay();
  // @ts-expect-error -- an input with a name that the schema lacks
  ref.pay({ amount: 5, note: "for tea" });
  // @ts-expect-error -- a key is text
  till.ref(1);
  expect(ref.open({ by: "me" }).input).toEqual({ by: "me" });
});

test("a handler can only emit, reject, send and reply what is declared", () => {
  const strict = actor("strict", {
    initialState: () => ({ n: 0 }),
    events: { Added: Amount },
    rejections: { "full": z.object({ limit: z.int() }), "empty": z.object({}) },
    evolve: { Added: (state, event) => ({ n: state.n + event.amount }) },
    commands: {
      emit: command(Amount, (turn, input) => {
        // @ts-expect-error -- no such event
        turn.emit("Add", { amount: 1 });
        // @ts-expect-error -- wrong payload
        turn.emit("Added", { amount: "1" });
        // @ts-expect-error -- payload missing
        turn.emit("Added");
        // @ts-expect-error -- a name that the payload lacks
        turn.emit("Added", { amount: 1, note: "" });
        // @ts-expect-error -- no such input
        turn.emit("Added", { amount: input.quantity });
      }),
      reject: command(z.object({}), (turn) => {
        // @ts-expect-error -- no such code
        if (turn.version === 1) turn.reject("fool");
        // @ts-expect-error -- details missing
        if (turn.version === 2) turn.reject("full");
        // @ts-expect-error -- wrong details
        if (turn.version === 3) turn.reject("full", { limit: "1" });
        turn.reject("empty");
      }),
      change: command(z.object({}), (turn) => {
        // @ts-expect-error -- the state is not the handler's to replace
        turn.state = { n: 1 };
        // @ts-expect-error -- no such field
        return turn.state.m;
      }),
      send: command(z.object({}), (turn) => {
        turn.send(till.ref("1").pay({ amount: 1 }), { after: "15m" });
        // @ts-expect-error -- not a duration
        turn.send(till.ref("1").pay({ amount: 1 }), { after: "soon" });
        // @ts-expect-error -- not a request
        turn.send(till.ref("1"));
      }),
      // @ts-expect-error -- the reply is not what its schema says
      reply: command(z.object({}), (turn) => ({ n: turn.state.n }), { reply: z.object({ n: z.string() }) }),
    },
  });
  expect([...strict.commands.keys()]).toEqual(["emit", "reject", "change", "send", "reply"]);
});

test("every event has an evolve that takes it and gives a state", () => {
  const events = { Added: Amount };
  const initialState = () => ({ n: 0 });
  // @ts-expect-error -- no evolve for Added
  expect(() => actor("a", { initialState, events, evolve: {}, commands: {} })).toThrow(TypeError);
  const wrongState = actor("a", {
    initialState,
    events,
    // @ts-expect-error -- not a state
    evolve: { Added: (state, event) => ({ n: String(state.n + event.amount) }) },
    commands: {},
  });
  const wrongEvent = actor("a", {
    initialState,
    events,
    // @ts-expect-error -- no such field in the event
    evolve: { Added: (state, event) => ({ n: state.n + event.quantity }) },
    commands: {},
  });
  expect([wrongState.name, wrongEvent.name]).toEqual(["a", "a"]);
});
