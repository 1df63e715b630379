import { expect, test } from "vitest";
import { z } from "zod";
import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { activity, actor, command, createApp } from "../../src/mod.ts";
import { traceTree } from "../../scripts/support/trace_tree.ts";
import { temporaryFolder } from "../store/databases.ts";
import { runHere } from "./command_line.ts";
import { openRuntime, runTask } from "./support.ts";

const call = activity("call", {
  input: z.object({}),
  output: z.object({}),
  retry: { attemptsMax: 1 },
  run: () => Promise.reject(new Error("nobody answers")),
});

/** Sends, sets a timer, and asks for an activity that fails. */
const desk = actor("desk", {
  initialState: () => ({}),
  events: { Worked: z.object({}) },
  evolve: { Worked: (state) => state },
  commands: {
    work: command(z.object({}), (turn) => {
      turn.emit("Worked", {});
      turn.send(account.ref("alice").open({ owner: "Alice" }));
      turn.schedule("later", { after: "1h" }, account.ref("alice").deposit({ amount: 1 }));
      turn.perform(call, {});
    }),
  },
});

test("why prints the tree of causes, from a folder and from a server, by event and by message", async () => {
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules: [desk, account, balances, call], data });
  const { messageId } = await runtime.ask(desk.ref("d").work({}));
  // Until the activity has failed for good.
  while ((await runtime.deadLetters.list({}, { limit: 1 })).deadLetters.length === 0) {
    await new Promise<void>((resolve) => runtime.clock.after(10, resolve));
  }
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, createApp(runtime).fetch);
  try {
    const tree = async (...args: string[]) => {
      const { code, stdout, stderr } = await runHere("why", ...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };
    const fromFolder = await tree("0.2", "--data", data);
    const fromServer = await tree("0.2", "--url", `http://127.0.0.1:${server.addr.port}`);
    for (const text of [fromFolder, fromServer]) {
      const line = (part: string) => text.split("\n").find((one) => one.includes(part)) ?? "";
      expect(line("correlation")).toBe(`correlation ${messageId}`);
      expect(line(`[${messageId}]`)).toMatch(/^desk\/d {2}done, /);
      expect(line("event Worked")).toMatch(/^├─ event Worked {2}desk\/d@1, 0\.1$/);
      // The event asked for is marked at its message.
      expect(line("account/alice open")).toMatch(/^├─ account\/alice open {2}done, took \d+ ms, .* ◀$/);
      expect(line("event Opened")).toMatch(/^│ {2}└─ event Opened {2}account\/alice@1, 0\.2$/);
      expect(line("projection balances")).toMatch(/^│ {5}└─ projection balances/);
      expect(line("activity call/-")).toMatch(/dead, since /);
      expect(line("attempt 1 failed")).toContain("Error: nobody answers");
      expect(line("timer account/alice deposit")).toMatch(/pending, due /);
    }
    expect(fromServer).toContain("projection balances: has seen it");
    const json = JSON.parse(await tree(messageId, "--data", data, "--json"));
    expect(json).toMatchObject({
      correlationId: messageId,
      isTruncated: false,
      roots: [{ kind: "message" }],
    });
  } finally {
    await server.shutdown();
  }
  const missing = await runTask("why", "0.99", "--data", data);
  expect(missing).toMatchObject({ code: 1, stderr: "Cannot tell why: there is no event 0.99\n" });
  expect((await runTask("why")).code).toBe(2);
});

test("steps of a saga, delays, operators and what steers a terminal are shown", () => {
  const event = {
    ...{ shard: 0, position: 3, actor: "booking/b", version: 2, schemaVersion: 1, at: "t", messageId: "m" },
    ...{ correlationId: "m", causationId: undefined, token: undefined, followers: [] },
  };
  const text = traceTree({
    correlationId: "c",
    isTruncated: true,
    roots: [{
      ...{ kind: "message", messageId: "m", actor: "booking/b\x1b[2J", command: "start", status: "retrying" },
      ...{ attempts: 2, enqueuedAt: "2026-01-01T00:00:00.000Z", dueAt: "2026-01-01T00:00:05.000Z" },
      ...{ nextAttemptAt: "2026-01-01T00:01:00.000Z", children: [] },
      failures: [{ attempt: 1, at: "t1", error: "Error: no" }, { attempt: 0, at: "t2", error: "redriven" }],
      events: [
        { ...event, type: "StepStarted", payload: { step: 0, kind: "ask", name: "reserve", to: "seat/1" } },
        { ...event, type: "StepDone", payload: { step: 0, output: 1 } },
      ],
    }],
  }, "other");
  expect(text.split("\n")).toEqual([
    "correlation c",
    "booking/b\\u001b[2J start  retrying, 2 attempts, delayed 5000 ms, next attempt 2026-01-01T00:01:00.000Z, " +
    "since 2026-01-01T00:00:05.000Z  [m]",
    "├─ attempt 1 failed t1: Error: no",
    "├─ operator: redriven, t2",
    "├─ event StepStarted (step 0 reserve → seat/1)  booking/b@2, 0.3",
    "└─ event StepDone (step 0)  booking/b@2, 0.3",
    "… and more: the tree was cut at its limit",
  ]);
});
