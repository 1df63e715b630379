import { expect, test } from "vitest";
import { demo } from "./demo.ts";

test("a saga shows its steps and compensations, and takes signals and cancelling", async () => {
  const visitor = await demo();
  expect((await visitor.get("/console/sagas?status=failed")).html).toContain("b-2");
  expect((await visitor.get("/console/sagas?status=failed")).html).not.toContain("f-1");
  const failed = await visitor.get("/console/sagas/booking/b-2");
  expect(failed.html).toContain("card-declined");
  expect(failed.html).toContain("undo");
  const to = "/console/sagas/follow-up/f-1";
  const asked = await visitor.submit(await visitor.get(to), `${to}/cancel`);
  expect(asked.html).toContain("What it has done is undone");
  expect((await visitor.submit(asked, `${to}/cancel`)).html).toContain("Cancelled: follow-up/f-1");
  await visitor.served.clock.advance(1_000);
  expect((await visitor.get(to)).html).toContain(">cancelled<");
});

test("a saga that is stuck is tried again", async () => {
  const visitor = await demo();
  const { faults, clock, runtime } = visitor.served;
  faults.failures.set("undo", 1_000);
  const started = await visitor.submit(
    await visitor.get("/console/sagas/fragile"),
    "/console/sagas/fragile",
    {
      ...{ id: "x", "in:label": "x" },
    },
  );
  expect(started.html).toContain("Started: fragile/x");
  await clock.advance(600_000);
  expect((await visitor.get("/console/sagas?status=stuck")).html).toContain("/console/sagas/fragile/x");
  expect((await visitor.get("/console")).html).toContain(
    'href="/console/sagas?status=stuck&amp;name=fragile"',
  );
  faults.failures.clear();
  const to = "/console/sagas/fragile/x";
  // It takes back already what it has done: to cancel it would change nothing.
  const stuck = await visitor.get(to);
  expect(stuck.html).not.toContain("Cancel…");
  const asked = await visitor.post(`${to}/cancel`, { csrf: await visitor.csrf(), confirmed: "yes" });
  expect((await visitor.get(asked.headers.get("location") ?? "")).html).toContain(
    "fragile/x is stuck: there was nothing to cancel",
  );
  const again = await visitor.submit(await visitor.get(to), `${to}/retry`);
  expect(again.html).toContain("Tried again: fragile/x");
  await clock.advance(10_000);
  expect((await runtime.sagas.status("fragile", "x"))?.status).toBe("failed");
});

test("an instance that was started with another input, and an id that is none, are refused", async () => {
  const visitor = await demo();
  const page = await visitor.get("/console/sagas/booking");
  const start = (fields: Record<string, string>) => visitor.submit(page, "/console/sagas/booking", fields);
  const input = { "in:customer": "ada", "in:seat": "9z", "in:card": "card-good" };
  const taken = await start({ ...input, id: "b-1" });
  expect(taken.status).toBe(409);
  expect(taken.html).toContain("was started with another input");
  expect(taken.html).toContain('value="9z"');
  expect((await start({ ...input, id: ".." })).status).toBe(422);
  expect((await start(input)).html).toMatch(/Started: booking\/[0-9a-z]{20}/);
});

test("each step says when it began and how long it took, and so does what undid it", async () => {
  const visitor = await demo();
  const { clock, runtime } = visitor.served;
  await clock.advance(3 * 3_600_000);
  await runtime.sagas.signal("follow-up", "f-1", "replied", { text: "yes" });
  await clock.advance(1_000);
  const { html } = await visitor.get("/console/sagas/follow-up/f-1");
  const { events } = await runtime.stream("follow-up", "f-1", { after: 0, limit: 100 });
  const begun = events.filter(({ type }) => type === "StepStarted");
  expect(begun.length).toBeGreaterThan(1);
  for (const { at } of begun) expect(html).toContain(`<time datetime="${new Date(at).toISOString()}"`);
  expect(html).toContain("took 3 h");
  const ended = new Date(events.at(-1)?.at ?? 0).toISOString();
  expect(html).toContain(`<dt>Ended</dt><dd><time datetime="${ended}"`);
  const failed = await visitor.get("/console/sagas/booking/b-2");
  expect(failed.html).toMatch(/undo<\/span><span class="status good">done<\/span><span class="muted"><time /);
});
