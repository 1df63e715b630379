import { type EventOf, given } from "folio/testing";
import { expect, test } from "vitest";
import { checkFraud, createCustomer, notifyChannel } from "../../actors/customers.ts";
import { onboarding } from "../../actors/welcome.ts";
import { contextOf, useEnvironment } from "./activity_runs.ts";

type Event = EventOf<typeof onboarding>;

const tasks = ["send-welcome-email", "check-fraud", "create-customer", "notify-channel"] as const;
const person = { email: "ann@example.com", name: "Ann" };
const requested = (task: typeof tasks[number]): Event => ["Requested", { task, ...person }];

test("each task is an activity of its name", () => {
  for (const task of tasks) {
    const { outcome } = given(onboarding, []).when("request", { task, ...person }).then([requested(task)]);
    expect(outcome.sends).toMatchObject([{
      request: { type: `activity:${task}`, input: person },
      replyTo: { done: "finish", failed: "fail", context: task },
    }]);
  }
});

test("a task that comes again is not done again", () => {
  const { outcome } = given(onboarding, [requested("check-fraud")])
    .when("request", { task: "check-fraud", ...person }).then([]);
  expect(outcome.sends).toEqual([]);
});

test("all results together make it complete", () => {
  const done = (task: typeof tasks[number]): Event => ["Done", { task, output: { of: task } }];
  const almost = [...tasks.map(requested), ...tasks.slice(1).map(done)];
  expect(given(onboarding, almost).state.isComplete).toBe(false);
  const { outcome } = given(onboarding, almost)
    .when("finish", { id: "m", context: "send-welcome-email", output: { of: "send-welcome-email" } })
    .then([done("send-welcome-email")]);
  expect(outcome.state.isComplete).toBe(true);
});

test("a failure is recorded, and taken back when the activity is done after all", () => {
  const failed: Event = ["Failed", { task: "check-fraud", error: "down" }];
  const error = { code: "dead-letter", message: "down" };
  given(onboarding, [requested("check-fraud")]).when("fail", { id: "m", context: "check-fraud", error })
    .then([failed]);
  given(onboarding, [failed]).when("fail", { id: "m", context: "check-fraud", error }).then([]);
  const { outcome } = given(onboarding, [failed])
    .when("finish", { id: "m", context: "check-fraud", output: { risk: "low" } })
    .then([["Done", { task: "check-fraud", output: { risk: "low" } }]]);
  expect(outcome.state.results).toEqual({ "check-fraud": { output: { risk: "low" } } });
});

test("the services give what they promise", async () => {
  const { data } = useEnvironment();
  const fraud = (email: string) => checkFraud.run({ ...person, email }, contextOf("k"));
  expect(await fraud("ann@example.com")).toEqual({ risk: "low" });
  expect(await fraud("ann@mailinator.com")).toEqual({ risk: "high" });
  expect(await createCustomer.run(person, contextOf("k1"))).toEqual({ customer: "customer-k1" });
  await notifyChannel.run({ ...person, name: "Ann\nBob" }, contextOf("k"));
  expect(Deno.readTextFileSync(`${data}/channel.txt`)).toBe('"Ann\\nBob" has signed up\n');
});
