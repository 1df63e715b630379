import { type EventOf, given } from "folio/testing";
import { expect, test } from "vitest";
import { makeReport, report } from "../../actors/report.ts";
import { contextOf } from "./activity_runs.ts";

type Event = EventOf<typeof report>;

const requested: Event = ["Requested", { rows: 250, messageId: "m1" }];
const output = { rows: 250, total: 9 };

test("request performs the activity and says which message to poll", () => {
  const { outcome } = given(report, []).when("request", { rows: 250 })
    .then([["Requested", { rows: 250, messageId: "id-1" }]])
    .thenReply({ messageId: "id-1", progress: "/messages/id-1" });
  expect(outcome.sends).toMatchObject([{
    id: "id-1",
    request: { type: "activity:make-report", input: { rows: 250 } },
    replyTo: { actor: "report/key", done: "finish", failed: "fail" },
  }]);
});

test("request is rejected while one is being made, and not after it", () => {
  given(report, [requested]).when("request", { rows: 1 })
    .then({ rejected: "already-running", details: { messageId: "m1" } });
  given(report, [requested, ["Made", output]]).when("request", { rows: 1 })
    .then([["Requested", { rows: 1, messageId: "id-1" }]]);
  given(report, [requested, ["Failed", { error: "x" }]]).when("request", { rows: 1 })
    .then([["Requested", { rows: 1, messageId: "id-1" }]]);
});

test("needs 1 to 1,000,000 rows", () => {
  for (const rows of [0, -1, 1.5, 1_000_001]) {
    given(report, []).when("request", { rows }).then({ failed: /rows/ });
  }
});

test("what becomes of it is recorded, once, and only of the latest request", () => {
  given(report, [requested]).when("finish", { id: "m1", output }).then([["Made", output]]);
  given(report, [requested, ["Made", output]]).when("finish", { id: "m1", output }).then([]);
  given(report, [requested]).when("finish", { id: "m0", output }).then([]);
  const failure = { id: "m1", error: { message: "Disk is full" } };
  given(report, [requested]).when("fail", failure).then([["Failed", { error: "Disk is full" }]]);
  given(report, [requested, ["Made", output]]).when("fail", failure).then([]);
});

test("one that is made after all, when a dead letter was redriven, counts", () => {
  const { outcome } = given(report, [requested, ["Failed", { error: "x" }]])
    .when("finish", { id: "m1", output }).then([["Made", output]]);
  expect(outcome.state).toMatchObject({ status: "done", error: null, result: output });
});

test("the activity says how far it is with each hundred rows", async () => {
  const heartbeats: unknown[] = [];
  const made = await makeReport.run({ rows: 250 }, contextOf("k", { heartbeats }));
  expect(made.rows).toBe(250);
  expect(heartbeats).toEqual([{ rows: 100, of: 250 }, { rows: 200, of: 250 }, { rows: 250, of: 250 }]);
});

test("the activity stops when it is aborted", async () => {
  const abort = new AbortController();
  const made = makeReport.run({ rows: 1_000_000 }, contextOf("k", { signal: abort.signal }));
  abort.abort(new Error("enough"));
  await expect(made).rejects.toThrow("enough");
});
