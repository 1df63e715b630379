import { activity, actor, command } from "folio";
import { z } from "zod";

const Rows = z.object({ rows: z.int().min(1).max(1_000_000) });
const Result = z.object({ rows: z.int(), total: z.int() });

/** Rows that are made at one go, and how long that takes. */
const CHUNK_ROWS = 100;
const CHUNK_MS = 10;

/** Slow on purpose: 10,000 rows a second. Says how far it is with each hundred. */
export const makeReport = activity("make-report", {
  input: Rows,
  output: Result,
  concurrency: 4,
  run: async ({ rows }, context) => {
    let total = 0;
    for (let row = 1; row <= rows; row++) {
      total += (row * 37) % 101;
      if (row % CHUNK_ROWS !== 0 && row !== rows) continue;
      context.heartbeat({ rows: row, of: rows });
      if (row < rows) await pause(CHUNK_MS, context.signal);
    }
    return { rows, total };
  },
});

/** A report that takes its time: `request` answers at once with the message to be polled. */
export const report = actor("report", {
  initialState: () => ({
    status: "none" as "none" | "running" | "done" | "failed",
    rows: 0,
    messageId: "",
    result: null as z.output<typeof Result> | null,
    error: null as string | null,
  }),
  events: {
    Requested: z.object({ rows: z.int(), messageId: z.string() }),
    Made: Result,
    Failed: z.object({ error: z.string() }),
  },
  rejections: { "already-running": z.object({ messageId: z.string() }) },
  invariants: {
    "what is done has a result, and what has failed an error": ({ status, result, error }) =>
      (status === "done") === (result !== null) && (status === "failed") === (error !== null),
  },
  evolve: {
    Requested: (_, { rows, messageId }) => ({
      status: "running" as const,
      rows,
      messageId,
      result: null,
      error: null,
    }),
    Made: (state, result) => ({ ...state, status: "done" as const, result, error: null }),
    Failed: (state, { error }) => ({ ...state, status: "failed" as const, error }),
  },
  commands: {
    request: command(Rows, (turn, { rows }) => {
      if (turn.state.status === "running") {
        turn.reject("already-running", { messageId: turn.state.messageId });
      }
      const messageId = turn.perform(makeReport, { rows }, { onDone: "finish", onFailed: "fail" });
      turn.emit("Requested", { rows, messageId });
      return { messageId, progress: `/messages/${messageId}` };
    }, { reply: z.object({ messageId: z.string(), progress: z.string() }) }),
    /** Sent when the report is made; one of an earlier request is of no interest any more. */
    finish: command(z.object({ id: z.string(), output: Result }), (turn, { id, output }) => {
      if (id === turn.state.messageId && turn.state.status !== "done") turn.emit("Made", output);
    }, { isInternal: true }),
    /** Sent when it cannot be made. */
    fail: command(
      z.object({ id: z.string(), error: z.object({ message: z.string() }) }),
      (turn, { id, error }) => {
        if (id === turn.state.messageId && turn.state.status === "running") {
          turn.emit("Failed", { error: error.message });
        }
      },
      { isInternal: true },
    ),
  },
});

/** Resolves after a while; rejects as soon as the signal aborts. */
function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, delayMs);
    signal.addEventListener("abort", abort, { once: true });
  });
}
