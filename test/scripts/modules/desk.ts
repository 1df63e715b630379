/** Something of everything that the command line shows. */
import { z } from "zod";
import { activity, actor, command, projection, query, saga, schedule } from "../../../src/mod.ts";

const Job = z.object({ n: z.int() });

/** Fails for what is negative, once and for all. */
export const call = activity("call", {
  input: Job,
  output: z.object({}),
  retry: { attemptsMax: 1 },
  run: ({ n }) => n < 0 ? Promise.reject(new Error(`nobody answers ${n}`)) : Promise.resolve({}),
});

export const desk = actor("desk", {
  initialState: () => ({ done: 0 }),
  events: { Worked: Job },
  rejections: { tired: z.object({ done: z.int() }) },
  evolve: { Worked: (state) => ({ done: state.done + 1 }) },
  commands: {
    work: command(Job, (turn, input) => {
      if (turn.state.done >= 9) turn.reject("tired", { done: turn.state.done });
      turn.emit("Worked", input);
      return turn.state;
    }),
    later: command(Job, (turn, input) => {
      turn.schedule("later", { after: "1h" }, { type: "desk", key: turn.key, command: "work", input });
    }),
    phone: command(Job, (turn, input) => {
      turn.emit("Worked", input);
      turn.perform(call, input);
    }),
  },
});

export const nap = saga("nap", { input: z.object({}), run: async (step) => await step.sleep("1d") });

export const works = projection("works", {
  version: 3,
  from: [desk],
  tables: ["CREATE TABLE works (n INTEGER)"],
  on: { "desk/Worked": (write, event) => write("INSERT INTO works VALUES (?)", [event.payload.n]) },
  queries: { all: query(z.object({}), z.object({ n: z.int() }), () => ["SELECT n FROM works"]) },
});

export const nightly = schedule(
  "nightly",
  { cron: "0 3 * * *", timeZone: "Europe/Berlin" },
  desk.ref("n").work({ n: 0 }),
);

const modules = [call, desk, nap, works, nightly];
export { modules as default };
