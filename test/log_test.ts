import { expect, test } from "vitest";
import { aboutMessage } from "../src/core/log.ts";
import { LEFT_OUT } from "../src/core/traceparent.ts";
import { createLog } from "../src/log.ts";
import { serve } from "./http/support.ts";

function lines(options: { isTerminal: boolean; level?: "debug" | "info" }) {
  const written: string[] = [];
  const write = (line: string) => void written.push(line);
  return { written, log: createLog({ level: "info", now: () => 0, write, ...options }) };
}

test("a machine gets one line of JSON an entry", () => {
  const { log, written } = lines({ isTerminal: false });
  log("warn", "Handler\nfailed", { actor: "account/alice", attempt: 2, nothing: undefined });
  log("debug", "dropped");
  expect(written).toHaveLength(1);
  expect(written[0]).not.toContain("\n");
  expect(JSON.parse(String(written[0]))).toEqual({
    ...{ time: "1970-01-01T00:00:00.000Z", level: "warn", message: "Handler\nfailed" },
    ...{ actor: "account/alice", attempt: 2 },
  });
});

test("a terminal gets text, and one line too", () => {
  const { log, written } = lines({ isTerminal: true });
  log("info", "It is\r\nready", { url: "http://x", name: "a b", list: [1], forged: "x\n12:00 error Fake" });
  expect(written).toEqual([
    '00:00:00.000 info  It is ready url=http://x name="a b" list=[1] forged="x\\n12:00 error Fake"',
  ]);
});

test("no field may pretend to be the level, the time or the message", () => {
  const { log, written } = lines({ isTerminal: false });
  log("error", "true", { level: "debug", message: "false", time: "never" });
  expect(JSON.parse(String(written[0]))).toMatchObject({ level: "error", message: "true" });
});

// Would catch a log that throws, and takes down whoever only wanted to say something.
test.each([true, false])("what is no JSON is said as it can be (terminal: %s)", (isTerminal) => {
  const { log, written } = lines({ isTerminal });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log("info", "odd", { big: 1n, circle, text: "kept" });
  expect(written[0]).toContain("kept");
  expect(written[0]).toContain("1");
});

test("a message is found again by its ids, and its trace by the trace's", () => {
  const message = { id: "m", actor: "a/b", command: "c", correlationId: "r", traceparent: null };
  expect(aboutMessage(message)).toEqual({ actor: "a/b", command: "c", messageId: "m", correlationId: "r" });
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  expect(aboutMessage({ ...message, traceparent }).traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
  expect(aboutMessage({ ...message, traceparent: LEFT_OUT }).traceId, "one for all names none")
    .toBeUndefined();
});

test("failures say which message, request and trace they are of, and not what was in it", async () => {
  const served = await serve({ attemptsMax: 2 });
  served.faults.failures.set("secret-label", 9);
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const headers = {
    "idempotency-key": "m1",
    "folio-correlation-id": "r1",
    traceparent,
    prefer: "respond-async",
  };
  await served.post("/actors/worker/w/work", { label: "secret-label", more: "payload" }, headers);
  await served.settled("m1");
  const about = served.logged.filter((line) => /^(warn Handler failed|error Message became)/.test(line));
  expect(about).toHaveLength(2);
  for (const line of about) {
    expect(line).toContain(
      '"messageId":"m1","correlationId":"r1","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"',
    );
    expect(line).not.toContain("payload");
  }
});
