import { expect, test } from "vitest";
import { createConsole } from "../../src/mod.ts";
import { serve } from "../http/support.ts";
import { actsOf, TOKEN, visit } from "./support.ts";

test("nothing is shown to whoever has not signed in, and the way leads to the form", async () => {
  const visitor = await visit({ signsIn: false });
  for (
    const path of [
      "/console",
      "/console/dead-letters",
      "/console/samples",
      "/console/live",
      "/console/nowhere",
    ]
  ) {
    const page = await visitor.get(path);
    expect(page.status, path).toBe(303);
    expect(page.headers.get("location")).toBe(`/console/sign-in?next=${encodeURIComponent(path)}`);
  }
  const asked = await visitor.get("/console/messages?status=dead");
  expect(asked.headers.get("location")).toBe("/console/sign-in?next=%2Fconsole%2Fmessages%3Fstatus%3Ddead");
  expect((await visitor.get("/console/sign-in")).html).toContain('name="token"');
  expect((await visitor.get("/console/assets/base.css")).status).toBe(200);
});

test("the token opens it, by a cookie that scripts and other sites do not get", async () => {
  const visitor = await visit({ signsIn: false });
  const refused = await visitor.post("/console/sign-in", { who: "Ada", token: "another", next: "/console" });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("set-cookie")).toBeNull();
  expect(refused.html).toContain('value="Ada"');
  expect(refused.html).not.toContain("another");
  const opened = await visitor.post("/console/sign-in", {
    who: "Ada",
    token: TOKEN,
    next: "/console/dead-letters",
  });
  expect(opened.headers.get("location")).toBe("/console/dead-letters");
  const cookie = opened.headers.get("set-cookie") ?? "";
  for (const part of ["HttpOnly", "SameSite=Strict", "Path=/console"]) expect(cookie).toContain(part);
  expect(cookie).not.toContain(TOKEN);
  expect((await visitor.get("/console")).html).toContain("Ada");
});

test.each(["//evil.example", "https://evil.example", "/console\\evil", "/consoleevil"])(
  "signing in leads nowhere else: %s",
  async (next) => {
    const visitor = await visit({ signsIn: false });
    const opened = await visitor.post("/console/sign-in", { who: "Ada", token: TOKEN, next });
    expect(opened.headers.get("location")).toBe("/console");
  },
);

test("a session ends with its time, and with signing out", async () => {
  const visitor = await visit();
  expect((await visitor.get("/console")).status).toBe(200);
  await visitor.submit(await visitor.get("/console"), "/console/sign-out");
  expect((await visitor.get("/console")).status).toBe(303);
  await visitor.signIn();
  await visitor.served.clock.advance(12 * 3_600_000);
  expect((await visitor.get("/console")).status).toBe(303);
});

test("a cookie that was changed is none", async () => {
  const visitor = await visit({ signsIn: false });
  const forged = Buffer.from(JSON.stringify({ who: "Eve", until: 9e15 })).toString("base64url");
  const page = await visitor.get("/console", { cookie: `folio_console=${forged}.${"a".repeat(43)}` });
  expect(page.status).toBe(303);
});

test("a form from another site is refused, and so is one without the token of the session", async () => {
  const visitor = await visit();
  const csrf = await visitor.csrf();
  const send = (fields: Record<string, string>, headers: Record<string, string>) =>
    visitor.post("/console/dead-letters/redrive", fields, headers);
  const own = { "sec-fetch-site": "same-origin" };
  for (
    const headers of [
      ...[{ "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, {
        "sec-fetch-site": "none",
      }],
      ...[{ origin: "https://evil.example" }, { origin: "null" }, {}],
    ]
  ) {
    expect((await send({ csrf }, headers)).status, JSON.stringify(headers)).toBe(403);
  }
  expect((await send({}, own)).status).toBe(403);
  expect((await send({ csrf: "another" }, own)).status).toBe(403);
  expect((await send({ csrf }, own)).status).toBe(200);
  expect((await send({ csrf }, { origin: "http://localhost" })).status).toBe(200);
});

test("every page says that nothing from elsewhere may run in it or frame it", async () => {
  const visitor = await visit();
  const { headers } = await visitor.get("/console");
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|data:|\*/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("cache-control")).toBe("no-store");
});

test("without a token only this machine's own browser gets in, and forms are still checked", async () => {
  const served = await serve();
  const app = createConsole(served.runtime, { api: served.app });
  expect((await app.request("http://localhost/console")).status).toBe(200);
  expect((await app.request("http://evil.example/console")).status).toBe(403);
  const form = { method: "POST", headers: { "sec-fetch-site": "same-origin" }, body: new URLSearchParams() };
  expect((await app.request("http://localhost/console/dead-letters/redrive", form)).status).toBe(403);
});

test("who signs in, is refused, and signs out is recorded, under the name that was given", async () => {
  const visitor = await visit({ signsIn: false });
  await visitor.post("/console/sign-in", { who: " Eve ", token: "another", next: "" });
  await visitor.signIn("Ada");
  await visitor.submit(await visitor.get("/console"), "/console/sign-out");
  expect(await actsOf(visitor)).toEqual([
    { who: "Eve", action: "sign-in", target: "the console", isDone: false },
    { who: "Ada", action: "sign-in", target: "the console", isDone: true },
    { who: "Ada", action: "sign-out", target: "the console", isDone: true },
  ]);
});

// Would catch that whoever has no token can fill the disk.
test("of many wrong tokens ten are recorded within ten minutes, and later how many more there were", async () => {
  const visitor = await visit({ signsIn: false });
  const guess = async (times: number) => {
    for (let n = 0; n < times; n++) {
      const refused = await visitor.post("/console/sign-in", { who: "Eve", token: `guess-${n}`, next: "" });
      expect(refused.status).toBe(401);
    }
  };
  const recorded = async () => (await actsOf(visitor)).map(({ target }) => target);
  await guess(10);
  expect(await recorded()).toHaveLength(10);
  await guess(25);
  expect(await recorded()).toHaveLength(10);
  await visitor.served.clock.advance(10 * 60_000 - 1);
  await guess(1);
  expect(await recorded()).toHaveLength(10);
  await visitor.served.clock.advance(1);
  await guess(2);
  expect((await recorded()).slice(10)).toEqual([
    "the console, after 26 more that are not listed",
    "the console",
  ]);
  // Who has the token is not kept out by who has not.
  await visitor.signIn("Ada");
  expect((await actsOf(visitor)).at(-1)).toMatchObject({ who: "Ada", isDone: true });
});

test("a form whose session is over does nothing, gives back what was typed in, and leads to the page again", async () => {
  const visitor = await visit();
  const page = await visitor.get("/console/actors/account/alice");
  const csrf = await visitor.csrf();
  await visitor.served.clock.advance(12 * 3_600_000);
  const answer = await visitor.post("/console/actors/account/alice/open", { csrf, "in:owner": "<Alice>" }, {
    "sec-fetch-site": "same-origin",
    "referer": "http://localhost/console/actors/account/alice?version=1",
  });
  expect(page.status).toBe(200);
  expect(answer.status).toBe(401);
  expect(answer.html).toContain("&lt;Alice&gt;");
  expect(answer.html).not.toContain(csrf);
  const next = encodeURIComponent("/console/actors/account/alice?version=1");
  expect(answer.html).toContain(`href="/console/sign-in?next=${next}"`);
  expect((await visitor.served.runtime.state("account", "alice")).version).toBe(0);
  // A page of elsewhere leads nowhere.
  const elsewhere = await visitor.post("/console/actors/account/alice/open", {}, {
    "sec-fetch-site": "same-origin",
    "referer": "https://evil.example/phish",
  });
  expect(elsewhere.html).toContain('href="/console/sign-in?next=%2Fconsole"');
});

test("scripts and styles are sent once: who has them is told that they are the same", async () => {
  const visitor = await visit({ signsIn: false });
  const first = await visitor.get("/console/assets/charts.js");
  const etag = first.headers.get("etag") ?? "";
  expect(etag).not.toBe("");
  expect(first.headers.get("cache-control")).toBe("no-cache");
  const again = await visitor.get("/console/assets/charts.js", { "if-none-match": etag });
  expect(again.status).toBe(304);
  expect(again.html).toBe("");
  expect((await visitor.get("/console/assets/keys.js", { "if-none-match": etag })).status).toBe(200);
});

test("the address with a slash behind it is the same console", async () => {
  const visitor = await visit();
  const { status, headers } = await visitor.get("/console/");
  expect([status, headers.get("location")]).toEqual([303, "/console"]);
  expect((await visitor.get("/console/nowhere/")).status).toBe(404);
});
