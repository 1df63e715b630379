/** Boxes that are archived an hour after they are closed, and shelves that are not. */
import { z } from "zod";
import { activity } from "../../src/core/activity.ts";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { projection, query } from "../../src/core/projection.ts";

/** Never done where nothing is performed. */
export const weigh = activity("weigh", {
  input: z.object({}),
  output: z.object({}),
  run: () => Promise.resolve({}),
});

export const box = actor("box", {
  initialState: () => ({ sum: 0, isClosed: false }),
  events: { Put: z.object({ n: z.int() }), Closed: z.object({}), Weighed: z.object({}) },
  evolve: {
    Put: (state, event) => ({ sum: state.sum + event.n, isClosed: false }),
    Closed: (state) => ({ ...state, isClosed: true }),
    Weighed: (state) => state,
  },
  commands: {
    put: command(z.object({ n: z.int(), times: z.int().default(1) }), (turn, { n, times }) => {
      for (let i = 0; i < times; i++) turn.emit("Put", { n });
      return { sum: turn.state.sum, version: turn.version };
    }),
    close: command(z.object({}), (turn) => turn.emit("Closed", {})),
    closeAndPutLater: command(z.object({ after: z.literal("3h") }), (turn, { after }) => {
      turn.emit("Closed", {});
      turn.schedule("later", { after }, box.ref(turn.key).put({ n: 1 }));
    }),
    closeAndWeigh: command(z.object({}), (turn) => {
      turn.emit("Closed", {});
      turn.perform(weigh, {}, { onDone: "weighed" });
    }),
    weighed: command(z.object({}).loose(), (turn) => turn.emit("Weighed", {})),
  },
  archive: { closedBy: ["Closed"], after: "1h" },
});

/** Has no archive. */
export const shelf = actor("shelf", {
  initialState: () => 0,
  events: { Closed: z.object({}) },
  evolve: { Closed: (state) => state + 1 },
  commands: { close: command(z.object({}), (turn) => turn.emit("Closed", {})) },
});

const row = z.object({ box: z.string(), sum: z.int(), count: z.int() });
export const contents = projection("contents", {
  version: 1,
  from: [box],
  tables: [`CREATE TABLE contents (box TEXT PRIMARY KEY, sum INTEGER NOT NULL, count INTEGER NOT NULL)`],
  on: {
    "box/Put": (write, event) =>
      write(
        `INSERT INTO contents VALUES (?1, ?2, 1) ON CONFLICT (box) DO UPDATE SET sum = sum + ?2, count = count + 1`,
        [event.key, event.payload.n],
      ),
  },
  queries: { all: query(z.object({}), row, () => [`SELECT box, sum, count FROM contents ORDER BY box`]) },
});

const modules = [box, shelf, weigh, contents];

export default modules;
