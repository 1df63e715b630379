import { expect, test } from "vitest";
import { createConsole } from "../../src/mod.ts";
import { serve } from "../http/support.ts";
import { TOKEN, visit } from "./support.ts";

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
  expect((await visitor.get("/console/sign-in")).html).toContain('name="token"');
  expect((await visitor.get("/console/assets/base.css")).status).toBe(200);
});

test("the token opens it, by a cookie that scripts and other sites do not get", async () => {
  const visitor = await visit({ signsIn: false });
  const refused = await visitor.post("/console/sign-in", { who: "Ada", token: "another", next: "/console" });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("set-cookie")).toBeNull();
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
