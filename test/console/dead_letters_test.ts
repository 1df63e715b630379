import { expect, test } from "vitest";
import { messageHref } from "../../src/console/parts.tsx";
import { actsOf, formsOf, textOf, TOKEN, visit, type Visitor } from "./support.ts";

const hostile = `<script>alert("1")</script>'&`;

/** Dead letters of `worker`, whose work of each label fails as often as is said. */
async function fail(visitor: Visitor, label: string, id: string): Promise<void> {
  visitor.served.faults.failures.set(label, 1_000);
  await visitor.served.post(`/actors/worker/${encodeURIComponent(label)}/work`, { label }, {
    "authorization": `Bearer ${TOKEN}`,
    "idempotency-key": id,
    "prefer": "respond-async",
  });
  await visitor.served.clock.advance(600_000);
}

test("dead letters are grouped by their error, and each is there to be looked at", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  await fail(visitor, "a", "m-1");
  await fail(visitor, "b", "m-2");
  const page = await visitor.get("/console/dead-letters");
  expect(page.status).toBe(200);
  for (const id of ["m-1", "m-2"]) expect(page.html).toContain(`>${id}</a>`);
  const letter = await visitor.get("/console/dead-letters/m-1?actor=worker%2Fa");
  expect(textOf(letter.html)).toContain(`"label": "a"`);
  expect(letter.html).toContain(messageHref("m-1", "worker/a").replaceAll("&", "&amp;"));
});

test("names and payloads stay text, whatever they hold", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  await fail(visitor, hostile.replaceAll("/", ""), "<b>m</b>");
  for (const path of ["/console/dead-letters", "/console/dead-letters/%3Cb%3Em%3C%2Fb%3E"]) {
    const { status, html } = await visitor.get(path);
    expect(status).toBe(200);
    expect(html).not.toContain("<script>alert");
    expect(html).not.toContain("<b>m");
    expect(html).toContain("&lt;b&gt;m");
  }
  const { html } = await visitor.get(`/console/dead-letters?error=${encodeURIComponent(hostile)}`);
  expect(html).toContain("&lt;script&gt;");
  expect(html).not.toContain("<script>alert");
});

test("one is redriven, and what it is redriven with is checked and not lost", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  await fail(visitor, "a", "m-1");
  const path = "/console/dead-letters/m-1/redrive?actor=worker%2Fa";
  const page = await visitor.get("/console/dead-letters/m-1");
  const broken = await visitor.submit(page, path, { input: "{ no json" });
  expect(broken.status).toBe(422);
  expect(broken.html).toContain("{ no json");
  const unfit = await visitor.submit(page, path, { input: `{"label": 5}` });
  expect(unfit.status).toBe(422);
  expect(textOf(unfit.html)).toContain(`{"label": 5}`);
  expect(unfit.html).toContain("label:");
  const redriven = await visitor.submit(page, path, { input: `{"label": "b"}` });
  expect(redriven.html).toContain("Redriven: message m-1 of worker/a");
  await visitor.served.clock.advance(1_000);
  expect((await visitor.served.runtime.message("m-1")).status).toBe("done");
});

test("many are redriven at once, and one is discarded, each after a question", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  await fail(visitor, "a", "m-1");
  await fail(visitor, "b", "m-2");
  const { runtime, faults, clock } = visitor.served;
  const discard = "/console/dead-letters/m-2/discard?actor=worker%2Fb";
  const asked = await visitor.submit(await visitor.get("/console/dead-letters/m-2"), discard);
  expect(asked.html).toContain("It will never be handled");
  expect((await runtime.deadLetters.list({}, { limit: 10 })).deadLetters).toHaveLength(2);
  expect((await visitor.submit(asked, discard)).html).toContain("Discarded: message m-2");
  faults.failures.clear();
  const page = await visitor.get("/console/dead-letters");
  expect(formsOf(page.html).some(({ action }) => action === "/console/dead-letters/redrive")).toBe(true);
  const question = await visitor.submit(page, "/console/dead-letters/redrive");
  expect((await visitor.submit(question, "/console/dead-letters/redrive")).html).toContain("Redriven: 1");
  await clock.advance(1_000);
  expect((await runtime.deadLetters.list({}, { limit: 10 })).deadLetters).toHaveLength(0);
});

test("those of one error are discarded at once, after a question that counts them, and no others", async () => {
  const visitor = await visit({ attemptsMax: 1, shards: 2 });
  for (const id of ["m-1", "m-2", "m-3"]) await fail(visitor, "a", id);
  await fail(visitor, "b", "m-4");
  const page = await visitor.get("/console/dead-letters");
  const discard = formsOf(page.html).filter(({ action }) => action === "/console/dead-letters/discard");
  const ofError = discard.find(({ fields }) => fields.error?.includes("a failed"));
  const asked = await visitor.post("/console/dead-letters/discard", ofError?.fields ?? {});
  expect(asked.html).toContain("Discard 3 dead letters");
  const done = await visitor.submit(asked, "/console/dead-letters/discard");
  expect(done.html).toContain("Discarded: 3");
  const left = await visitor.served.runtime.deadLetters.list({}, { limit: 10 });
  expect(left.deadLetters.map(({ id }) => id)).toEqual(["m-4"]);
  expect(await actsOf(visitor)).toMatchObject([
    { who: "Ada", action: "sign-in" },
    { who: "Ada", action: "discard-all" },
  ]);
});

test("more than are discarded at a time are all discarded, and those of a filter only", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  const { served } = visitor;
  served.faults.failures.set("a", 1_000);
  const send = (n: number) =>
    served.runtime.send({ type: "worker", key: `k-${n}`, command: "work", input: { label: "a" } });
  await Promise.all(Array.from({ length: 250 }, (_, n) => send(n)));
  await served.clock.advance(600_000);
  await fail(visitor, "b", "m-1");
  const page = await visitor.get("/console/dead-letters?error=a+failed");
  const asked = await visitor.submit(page, "/console/dead-letters/discard");
  expect(textOf((await visitor.submit(asked, "/console/dead-letters/discard")).html)).toContain(
    "Discarded: 250",
  );
  const left = await served.runtime.deadLetters.list({}, { limit: 10 });
  expect(left.deadLetters.map(({ id }) => id)).toEqual(["m-1"]);
});

test("a page that stays open has the groups as they are: at once when their number changes, else within 31 s", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  const { runtime, clock } = visitor.served;
  await fail(visitor, "a", "m-1");
  const errorsIn = ({ html }: { html: string }) =>
    [...html.matchAll(/Error: (\w) failed, as planned<\/a>/g)].map(([, a]) => a);
  const refreshed = async () => errorsIn(await visitor.get("/console/dead-letters", { "x-folio-live": "1" }));
  expect(await refreshed()).toEqual(["a"]);
  await fail(visitor, "b", "m-2");
  expect(await refreshed()).toEqual(["a", "b"]);
  // As many as before, but another one.
  const replace = async (id: string, label: string) => {
    visitor.served.faults.failures.set(label, 1);
    await runtime.deadLetters.discard(id);
    await runtime.send({ type: "worker", key: label, command: "work", input: { label } });
    await clock.advance(100);
  };
  await replace("m-1", "c");
  expect(await refreshed()).toEqual(["a", "b"]);
  await clock.advance(30_000);
  expect(await refreshed()).toEqual(["b", "c"]);
  await replace("m-2", "d");
  // Who loads the page has what is there now.
  expect(errorsIn(await visitor.get("/console/dead-letters"))).toEqual(["c", "d"]);
});

// Would catch numbers that are those of one page of the list.
test.each([1, 2])(
  "thousands are counted exactly, wherever they are counted, with %i shards",
  async (shards) => {
    const visitor = await visit({ attemptsMax: 1, shards });
    const { served } = visitor;
    for (const label of ["a", "b"]) served.faults.failures.set(label, 10_000);
    const send = (n: number) =>
      served.runtime.send({
        ...{ type: "worker", key: `k-${n}`, command: "work" },
        input: { label: n % 3 === 0 ? "a" : "b" },
      });
    for (let n = 0; n < 1_200; n += 300) {
      await Promise.all(
        Array.from({ length: 300 }, (_, m) => send(n + m)),
      );
    }
    await served.clock.advance(600_000);
    const overview = await visitor.get("/console");
    expect(overview.html).toMatch(/href="\/console\/dead-letters">.{0,40}Dead letters.{0,20}<strong>1200</);
    const all = await visitor.get("/console/dead-letters");
    expect(all.html).toContain("1200 in all");
    for (const count of [800, 400]) expect(all.html).toContain(`>${count}</a>`);
    const some = await visitor.get("/console/dead-letters?error=a+failed");
    expect(some.html).toContain("400 in all");
    const asked = await visitor.submit(some, "/console/dead-letters/discard");
    expect(asked.html).toContain("Discard 400 dead letters");
  },
);

test("what was done is in the log, with who did it", async () => {
  const visitor = await visit({ attemptsMax: 1 });
  await fail(visitor, "a", "m-1");
  const discard = "/console/dead-letters/m-1/discard?actor=worker%2Fa";
  await visitor.submit(
    await visitor.submit(await visitor.get("/console/dead-letters/m-1"), discard),
    discard,
  );
  await visitor.served.clock.advance(1_000);
  const { events } = await visitor.served.runtime.stream("console-audit", "console", { after: 0, limit: 10 });
  expect(events.map(({ type, payload }) => [type, payload])).toEqual([
    ["Acted", { who: "Ada", action: "sign-in", target: "the console", isDone: true }],
    ["Acted", { who: "Ada", action: "discard", target: "message m-1 of worker/a", isDone: true }],
  ]);
});

test("a dead letter that its saga has gone on without takes a second button, which says so", async () => {
  const visitor = await visit();
  const { runtime, clock } = visitor.served;
  await runtime.sagas.start("booking", "b-1", { seat: "1A", customer: "ada", card: "card-times-out" });
  await clock.advance("30m");
  const [{ id, actor } = { id: "", actor: "" }] =
    (await runtime.deadLetters.list({}, { limit: 1 })).deadLetters;
  const path = `/console/dead-letters/${id}/redrive?actor=${encodeURIComponent(actor)}`;
  const page = await visitor.get(`/console/dead-letters/${id}`);
  expect(page.html).not.toContain("Redrive all the same");
  const refused = await visitor.submit(page, path);
  expect(refused.status).toBe(409);
  expect(refused.html).toContain("Redrive all the same");
  expect((await visitor.submit(refused, path, { force: "yes" })).html).toContain(`Redriven: message ${id}`);
});
