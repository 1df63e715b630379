import { expect, test } from "vitest";
import { AlertsInShort } from "../../src/console/alert_parts.tsx";
import { demo } from "./demo.ts";
import { shared, textOf, TOKEN, visit } from "./support.ts";

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

test("two alerts are told whole on the overview, more of them in a line each, and of many the first", () => {
  const short = (count: number) =>
    String(AlertsInShort({
      alerts: Array.from({ length: count }, (_, n) => ({
        ...{
          name: "saga-stuck",
          labels: { saga: `s-${n}` },
          value: 1,
          limit: 0,
          firstSeenAt: 0,
          lastSeenAt: 0,
        },
        ...{ message: `alert ${n}`, whatToDo: "Mend it." },
      })),
    }));
  const linesIn = (html: string) => html.match(/<li>/g)?.length ?? 0;
  expect(short(2).match(/Mend it\./g)).toHaveLength(2);
  expect(short(3)).not.toContain("Mend it.");
  expect(linesIn(short(3))).toBe(3);
  expect(short(3)).toContain('href="/console/sagas?status=stuck&amp;name=s-2"');
  expect(short(3)).toContain('<a href="/console/alerts">What to do</a>');
  expect(linesIn(short(8))).toBe(8);
  expect(linesIn(short(9))).toBe(8);
  expect(short(9)).toContain("All 9, and what to do");
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

test("what waits is what the number says: retried, and queued behind it; what failed once is found by that", async () => {
  const visitor = await visit();
  const { served } = visitor;
  served.faults.failures.set("x", 1_000);
  for (const [id, label] of [["m-1", "x"], ["m-2", "y"]]) {
    await served.post("/actors/worker/w/work", { label }, {
      ...{ "authorization": `Bearer ${TOKEN}`, "prefer": "respond-async", "idempotency-key": id ?? "" },
    });
  }
  await served.clock.advance(100);
  const overview = await visitor.get("/console");
  expect(overview.html).toMatch(
    /href="\/console\/messages\?status=waiting"><span class="muted">Waiting<\/span><strong>2</,
  );
  const idsOf = async (query: string) =>
    [...(await visitor.get(`/console/messages?${query}`)).html.matchAll(/title="(m-\d)"/g)].map(([, id]) =>
      id
    );
  expect(await idsOf("status=waiting&type=worker")).toEqual(["m-2", "m-1"]);
  expect(await idsOf("status=retrying")).toEqual(["m-1"]);
  expect(await idsOf("status=queued")).toEqual(["m-2"]);
  // What it will become is shown as it becomes it; what it is for good is not asked for again.
  const isLive = async () =>
    (await visitor.get("/console/messages/m-2")).html.includes('id="facts" data-live');
  expect(await isLive()).toBe(true);
  expect(await idsOf("status=failed")).toEqual(["m-1"]);
  served.faults.failures.clear();
  await served.clock.advance(600_000);
  expect(await idsOf("status=waiting")).toEqual([]);
  expect(await isLive()).toBe(false);
  expect(await idsOf("status=failed")).toEqual(["m-1"]);
  expect(await idsOf("status=done")).toEqual(["m-2", "m-1"]);
});

test("a state of a million characters is shown by its beginning, and is whole elsewhere", async () => {
  const visitor = await visit();
  const label = "x".repeat(900_000);
  const { runtime } = visitor.served;
  await visitor.served.post("/actors/worker/big/work", { label }, { authorization: `Bearer ${TOKEN}` });
  const { status, html } = await visitor.get("/console/actors/worker/big");
  expect(status).toBe(200);
  expect(html.length).toBeLessThan(100_000);
  const { state } = await runtime.state("worker", "big");
  const href = "/console/actors/worker/big/state?version=1";
  expect(JSON.stringify(state)).toContain(label);
  expect(html).toContain(`<a href="${href}">all of it</a>`);
  const whole = await visitor.get(href);
  expect(whole.headers.get("content-type")).toContain("application/json");
  expect(JSON.parse(whole.html)).toEqual(state);
  // What is short is whole on its page.
  expect((await visitor.get("/console/actors/console-audit/console")).html).not.toContain("all of it");
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
        `/console/events?type=${key}`,
        `/console/sagas/${key}`,
        `/console/reactors/${key}`,
        `/console/projections/${key}`,
        `/console/webhooks/${key}`,
      ],
    ]
  ) {
    const { html, status } = await visitor.get(path);
    expect(status, path).toBeLessThan(500);
    expect(html, path).not.toMatch(/<img src=x/);
  }
  expect((await visitor.get(`/console/actors/echo/${key}`)).html).toContain("&lt;img src=x");
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
    const path of [
      ...["/console/actors/%ZZ/x", "/console/messages/%E0%A4%A", "/console/dead-letters?after=x"],
      ...[
        "/console/events?after=x",
        "/console/sagas/none",
        "/console/reactors/none",
        "/console/webhooks/none",
      ],
    ]
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
