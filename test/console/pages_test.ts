import { expect, test } from "vitest";
import { z } from "zod";
import { differences } from "../../src/console/diff.ts";
import { fieldsOf, formOf, inputOf } from "../../src/console/schema_fields.ts";
import { reactor } from "../../src/mod.ts";
import { account } from "../../actors/account.ts";
import { counter } from "../../actors/counter.ts";
import { demo } from "./demo.ts";
import { formsOf, shared, textOf, TOKEN, visit } from "./support.ts";

/** Of those tests that only look. */
const seen = shared((onEnd) => demo({ onEnd }));
const hostile = `<img src=x onerror=alert(1)>"'&`;

test("the overview says how it goes: alerts on top, and numbers that lead to what they count", async () => {
  const visitor = await seen();
  const { html } = await visitor.get("/console");
  expect(html).toContain("3 messages for worker/work used up all attempts");
  expect(html).toMatch(/<a class="tile bad" href="\/console\/dead-letters">.*?<strong>3<\/strong>/s);
  const { samples } = JSON.parse((await visitor.get("/console/samples")).html);
  expect(samples.length).toBeGreaterThan(20);
  expect(samples.at(-1)).toMatchObject({ dead: 3, queued: 0, failed: 0, rejected: 0 });
  expect(samples.at(-1).done).toBeCloseTo(3.5, 0);
});

test("samples come live as they are taken", async () => {
  const visitor = await demo();
  const before = JSON.parse((await visitor.get("/console/samples")).html).samples.length;
  const page = visitor.get("/console/live");
  await visitor.served.clock.advance(10_000);
  visitor.served.runtime.draining.emit();
  const { headers, html } = await page;
  expect(headers.get("content-type")).toBe("text/event-stream");
  expect(html).toMatch(/event: sample\ndata: \{"at":/);
  expect(JSON.parse((await visitor.get("/console/samples")).html).samples.length).toBeGreaterThan(before);
});

test("an actor shows its state, its past, and in what two versions differ", async () => {
  const visitor = await seen();
  const found = await visitor.get("/console/actors?type=account&key=al");
  expect(found.html).toContain("/console/actors/account/alice");
  expect(found.html).not.toContain("/console/actors/account/bob");
  const now = textOf((await visitor.get("/console/actors/account/alice")).html);
  expect(now).toContain(`"balance": 775`);
  const past = textOf((await visitor.get("/console/actors/account/alice?version=3&against=1")).html);
  expect(past).toContain(`"balance": 750`);
  expect(past).toContain("- balance 0");
  expect(past).toContain("+ balance 750");
  expect(past).not.toContain("Withdrawn");
});

test("a command is sent by its form, and what its schema refuses is said beside what was typed", async () => {
  const visitor = await demo();
  const page = await visitor.get("/console/actors/account/alice");
  const to = "/console/actors/account/alice/withdraw";
  const refused = await visitor.submit(page, to, { "in:amount": "much" });
  expect(refused.status).toBe(422);
  expect(refused.html).toContain('value="much"');
  const rejected = await visitor.submit(page, to, { "in:amount": "100000" });
  expect(rejected.status).toBe(409);
  expect(rejected.html).toContain("insufficient-funds");
  const done = await visitor.submit(page, to, { "in:amount": "75" });
  expect(textOf(done.html)).toContain(`withdraw is done, version 6. Reply: {"balance":700}`);
  expect((await visitor.get("/console/audit")).html).toContain("withdraw to account/alice");
});

test("the actors that Folio keeps for itself have no forms, and their commands are refused", async () => {
  const visitor = await seen();
  const csrf = await visitor.csrf();
  const page = await visitor.get("/console/actors/console-audit/console");
  expect(page.html).not.toContain("Send a command");
  const forged = { csrf, "in:who": "Eve", "in:action": "x", "in:target": "x", "in:isDone": "true" };
  const answer = await visitor.post("/console/actors/console-audit/console/record", forged);
  expect(answer.status).toBe(403);
});

test("a message shows its status, and the tree of what it led to with links", async () => {
  const visitor = await seen();
  const listed = await visitor.get("/console/messages?status=dead");
  expect(listed.html.match(/>work-\d</g)).toHaveLength(3);
  const { html } = await visitor.get("/console/messages/sign-up-1");
  expect(html).toContain("sign-up · done");
  expect(html).toContain("activity:check-fraud/-");
  expect(html.match(/<path d="M/g)?.length).toBeGreaterThanOrEqual(8);
  expect((await visitor.get("/console/messages/nowhere")).status).toBe(404);
});

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

test("a projection answers queries, and is rebuilt after a question", async () => {
  const visitor = await demo();
  const rows = await visitor.get("/console/projections/balances/by-owner?owner=Alice");
  expect(rows.html).toContain("775");
  expect((await visitor.get("/console/projections/balances/top?limit=x")).status).toBe(422);
  const to = "/console/projections/balances/rebuild";
  const asked = await visitor.submit(await visitor.get("/console/projections/balances"), to);
  expect(asked.html).toContain("Rebuild balances from the whole log?");
  expect((await visitor.submit(asked, to)).html).toContain("Being rebuilt: balances");
});

test("a schedule is paused and resumed, and the timers say what they will send", async () => {
  const visitor = await demo();
  const page = await visitor.get("/console/time");
  expect(page.html).toContain("0 3 * * * Europe/Berlin");
  expect(page.html).toContain("follow-up/f-1");
  const paused = await visitor.submit(page, "/console/time/nightly/pause");
  expect(paused.html).toContain("Paused: schedule nightly");
  expect((await visitor.served.runtime.schedules.get("nightly")).isPaused).toBe(true);
  await visitor.submit(paused, "/console/time/nightly/resume");
  expect((await visitor.served.runtime.schedules.get("nightly")).isPaused).toBe(false);
});

test("a build is given up", async () => {
  const visitor = await demo();
  const { runtime } = visitor.served;
  const progress = async () => (await visitor.get("/console/projections/balances")).html;
  const to = "/console/projections/balances";
  const asked = await visitor.submit(await visitor.get(to), `${to}/rebuild`);
  const building = await visitor.submit(asked, `${to}/rebuild`);
  expect(building.html).toMatch(/<progress value="\d+" max="\d+"/);
  expect((await visitor.submit(building, `${to}/cancel`)).html).toContain("Build given up: balances");
  expect(runtime.projections.list()[0]?.build).toBeUndefined();
  expect(await progress()).not.toContain("<progress");
});

test("sending again that stands still says why, and is stopped", async () => {
  let isBroken = false;
  const clerk = reactor("clerk", {
    from: [account],
    on: {
      "account/Opened": (react) => {
        if (isBroken) throw new Error("broken, as planned");
        react.send(counter.ref("opened").increment({ by: 1 }));
      },
    },
  });
  const visitor = await visit({ modules: [clerk] });
  const { runtime, clock } = visitor.served;
  await runtime.ask(account.ref("a").open({ owner: "A" }));
  await clock.advance(1_000);
  const to = "/console/reactors/clerk";
  const page = await visitor.get(to);
  const { csrf = "" } = formsOf(page.html)[0]?.fields ?? {};
  const question = await visitor.post(`${to}/resend`, { csrf, from: "0.0" });
  expect(question.html).toContain("since 0.0?");
  isBroken = true;
  await visitor.submit(question, `${to}/resend`);
  await clock.advance(1_000);
  const sending = await visitor.get(to);
  expect(sending.html).toContain("1 events are left");
  expect(sending.html).toContain("broken, as planned");
  expect((await visitor.submit(sending, `${to}/stop`)).html).toContain("Stopped; what was sent was sent");
  await clock.advance(1_000);
  expect(runtime.reactors.list().find(({ name }) => name === "clerk")?.replay).toBeUndefined();
  const refused = await visitor.post(`${to}/rehearse`, { csrf, from: "tomorrow" });
  expect(refused.status).toBe(400);
  expect(refused.html).toContain('value="tomorrow"');
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

test("every link leads to a page, and every count in a table is one", async () => {
  const visitor = await seen();
  // What is no count: numbers that name something, and measures.
  const others = ["Version", "Attempt", "Rate", "p99"];
  const waiting = ["/console"];
  const found = new Set(waiting);
  for (const path of waiting) {
    const { status, html } = await visitor.get(path);
    expect(status === 303 ? 200 : status, path).toBe(200);
    for (
      const [, label = "", cell = ""] of html.matchAll(
        /<td role="cell" data-label="([^"]*)" class="num">(.*?)<\/td>/g,
      )
    ) {
      if (!others.includes(label) && !path.includes("/projections/balances/")) {
        expect(cell, `${label} on ${path}`).toMatch(/<a /);
      }
    }
    for (const [, href = ""] of html.matchAll(/href="([^"#]+)[^"]*"/g)) {
      const next = textOf(href);
      expect(next, path).toMatch(/^\/console/);
      // Of pages of one kind, a few are enough.
      const kind = [...found].filter((each) => kindOf(each) === kindOf(next)).length;
      if (!found.has(next) && kind < 4) {
        found.add(next);
        waiting.push(next);
      }
    }
  }
  expect(found.size).toBeGreaterThan(40);
});

/** The same for pages that differ in names and filters only. */
function kindOf(path: string): string {
  const url = new URL(path, "http://localhost");
  const parts = url.pathname.split("/");
  return `${parts[2]} ${parts.length} ?${[...url.searchParams.keys()].sort().join("&")}`;
}

test("names, keys, payloads and filters stay text on every page", async () => {
  const visitor = await visit();
  const key = encodeURIComponent(hostile);
  await visitor.served.post(`/actors/echo/${key}/keep`, { [hostile]: hostile }, {
    "authorization": `Bearer ${TOKEN}`,
    "idempotency-key": hostile.replaceAll(" ", ""),
  });
  const id = encodeURIComponent(hostile.replaceAll(" ", ""));
  for (
    const path of [
      ...[`/console/actors?type=echo&key=${key}`, `/console/actors/echo/${key}`, "/console/actors?type=echo"],
      ...[`/console/messages?type=${key}&actor=${key}`, "/console/messages", `/console/messages/${id}`],
      ...[`/console/dead-letters?error=${key}&type=${key}`, `/console/time?actor=${key}`, `/console/${key}`],
      ...[
        `/console/sagas/booking/${key}`,
        `/console/projections/${key}/${key}`,
        `/console/actors/${key}/${key}`,
      ],
    ]
  ) {
    const { html, status } = await visitor.get(path);
    expect(status, path).toBeLessThan(500);
    expect(html, path).not.toMatch(/<img src=x/);
  }
  expect((await visitor.get(`/console/actors/echo/${key}`)).html).toContain("&lt;img src=x");
});

test("the input of a form is what its schema takes, and what does not fit stays as it was typed", () => {
  const schema = z.object({
    name: z.string(),
    count: z.int().optional(),
    isOn: z.boolean(),
    kind: z.enum(["a", "b"]),
    lines: z.array(z.number()),
  });
  const form = { "in:name": "", "in:count": "", "in:kind": "a", "in:lines": "[1, 2]" };
  expect(inputOf(schema, form)).toEqual({ name: "", isOn: false, kind: "a", lines: [1, 2] });
  expect(inputOf(schema, { ...form, "in:count": "5", "in:isOn": "true" })).toMatchObject({
    count: 5,
    isOn: true,
  });
  expect(inputOf(schema, { ...form, "in:count": "five" })).toMatchObject({ count: "five" });
  expect(() => inputOf(schema, { ...form, "in:lines": "[" })).toThrow(expect.objectContaining({
    code: "invalid-input",
    fields: { issues: [{ path: ["lines"], message: expect.stringMatching(/^is not JSON/) }] },
  }));
  expect(inputOf(z.unknown(), { "json:input": "[1]" })).toEqual([1]);
});

test("an object within the input has fields of its own, and is left out where none is filled in", () => {
  const schema = z.object({
    url: z.string(),
    filters: z.object({ types: z.array(z.string()).optional(), isOn: z.boolean() }).optional(),
    place: z.object({ lat: z.number() }),
    deep: z.object({ a: z.object({ b: z.object({ c: z.number() }) }) }).optional(),
  });
  expect(fieldsOf(schema).map(({ kind }) => kind)).toEqual(["text", "group", "group", "group"]);
  expect(inputOf(schema, { "in:url": "u" })).toEqual({ url: "u", place: {} });
  const form = {
    "in:url": "u",
    "in:filters/types": "a\n\n b \n",
    "in:filters/isOn": "true",
    "in:place/lat": "1.5",
    "in:deep/a/b": `{"c": 1}`,
  };
  const input = {
    ...{ url: "u", filters: { types: ["a", "b"], isOn: true } },
    ...{ place: { lat: 1.5 }, deep: { a: { b: { c: 1 } } } },
  };
  expect(inputOf(schema, form)).toEqual(input);
  expect(inputOf(schema, formOf(fieldsOf(schema), input))).toEqual(input);
  expect(inputOf(schema, { ...form, "in:filters/types": `["a b", "c\\nd"]` })).toMatchObject({
    filters: { types: ["a b", "c\nd"] },
  });
});

test("two values differ where they differ, and nowhere else", () => {
  expect(differences({ a: 1, b: { c: [1, 2] } }, { a: 1, b: { c: [1, 3, 4] }, d: null })).toEqual([
    { path: "b.c.1", before: "2", after: "3" },
    { path: "b.c.2", before: undefined, after: "4" },
    { path: "d", before: undefined, after: "null" },
  ]);
  expect(differences({ a: [1] }, { a: [1] })).toEqual([]);
});

test("what cannot be read is refused, and no page breaks on it", async () => {
  const visitor = await visit({ limits: { payloadBytesMax: 1_000 } });
  const csrf = await visitor.csrf();
  const tooLarge = await visitor.post("/console/actors/echo/a/say", {
    csrf,
    "json:input": "x".repeat(100_000),
  });
  expect(tooLarge.status).toBe(413);
  for (
    const path of ["/console/actors/%ZZ/x", "/console/messages/%E0%A4%A", "/console/dead-letters?after=x"]
  ) {
    const { status, html } = await visitor.get(path);
    expect(status, path).toBeGreaterThanOrEqual(400);
    expect(status, path).toBeLessThan(500);
    expect(html).toContain('role="alert"');
  }
});

test("a message of which only its events were kept is found from them", async () => {
  const visitor = await visit();
  await visitor.served.post("/actors/counter/c/increment", { by: 2 }, {
    "authorization": `Bearer ${TOKEN}`,
    "folio-correlation-id": "order-7",
  });
  const { html } = await visitor.get("/console/actors/counter/c");
  const href = textOf(/href="(\/console\/messages\/[^"]*)"/.exec(html)?.[1] ?? "");
  expect(href).toContain("correlation=order-7");
  const page = await visitor.get(href);
  expect(page.status).toBe(200);
  expect(page.html).toContain("counter/c");
});

test("actors come in pages, each of them once", async () => {
  const visitor = await visit({ shards: 3 });
  for (let n = 0; n < 205; n++) {
    await visitor.served.runtime.ask({
      type: "counter",
      key: `c-${n}`,
      command: "increment",
      input: { by: 1 },
    });
  }
  const found: string[] = [];
  let next: string | undefined = "/console/actors?type=counter&key=c-";
  for (let pages = 0; next !== undefined && pages < 10; pages++) {
    const { html }: { html: string } = await visitor.get(next);
    found.push(...[...html.matchAll(/<a class="name"[^>]*>(counter\/c-\d+)</g)].map(([, name = ""]) => name));
    const more = /<a class="button" href="([^"]*after=[^"]*)"/.exec(html)?.[1];
    next = more && textOf(more);
  }
  expect(found).toHaveLength(205);
  expect(new Set(found).size).toBe(205);
});
