import { expect, test } from "vitest";
import { expectProblem, serve } from "./support.ts";

const token = "a-token-of-sixteen-and-more";
const closed = ["/events", "/actors/counter/c", "/messages/m", "/dead-letters", "/openapi.json", "/nothing"];

test.each([
  undefined,
  "",
  token,
  "Bearer",
  "Bearer ",
  "Bearer wrong",
  `Basic ${token}`,
  `Basic ${btoa(`user:${token}`)}`,
  `Bearer ${token}x`,
  `Bearer ${token.slice(1)}`,
  `Bearer ${token.toUpperCase()}`,
  `Bearer ${token} ${token}`,
  `Bearer ${token}, Bearer ${token}`,
  `Bearer\t${token}`,
  `Bearer "${token}"`,
])("Authorization: %s is 401 everywhere, and says how to authenticate", async (authorization) => {
  const server = await serve({ token });
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const answers = [
    ...await Promise.all(closed.map((path) => server.get(path, headers))),
    await server.post("/actors/counter/c/increment", {}, headers),
    await server.post("/dead-letters/redrive", {}, headers),
    await server.request("/dead-letters/m", { method: "DELETE", headers }),
    await server.get("/events", { ...headers, accept: "text/event-stream" }),
  ];
  for (const answer of answers) {
    expectProblem(answer, 401, "unauthorized");
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="folio"');
    expect(JSON.stringify(answer.body)).not.toContain(token);
  }
  for (const path of ["/health/live", "/health/ready"]) {
    expect((await server.get(path, headers)).status).toBe(200);
  }
});

test.each([`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}`])(
  "%s gets in",
  async (authorization) => {
    const server = await serve({ token });
    const { status } = await server.post("/actors/counter/c/increment", {}, { authorization });
    expect(status).toBe(200);
  },
);

test("with a token, any name of this machine will do", async () => {
  const server = await serve({ token });
  const headers = { authorization: `Bearer ${token}`, host: "folio.example.com" };
  expect((await server.get("/events", headers)).status).toBe(200);
});

// Would catch DNS rebinding: a page of evil.example whose name is made to point to 127.0.0.1.
test.each([
  "evil.example",
  "evil.example:8000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "127.0.0.1:8000.evil.example",
  "0.0.0.0",
  "192.168.0.1:8000",
  "[::2]",
  "notlocalhost",
  "localhost, evil.example",
  "",
])("without a token, Host: %s is 403", async (host) => {
  const server = await serve();
  expectProblem(await server.get("/actors/counter/c", { host }), 403, "forbidden");
  expectProblem(await server.post("/actors/counter/c/increment", {}, { host }), 403, "forbidden");
  expect((await server.get("/health/live", { host })).status).toBe(200);
});

test.each([
  "localhost",
  "localhost:8000",
  "LocalHost:8000",
  "127.0.0.1",
  "127.0.0.1:80",
  "127.1.2.3",
  "[::1]",
  "[::1]:8000",
])("without a token, Host: %s gets in", async (host) => {
  const server = await serve();
  expect((await server.get("/events", { host })).status).toBe(200);
});

// Would catch a page of evil.example that has its reader's browser redrive, cancel or reset: a POST without a
// body is sent to any origin unasked.
test.each([
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-fetch-site": "cross-site", origin: "http://localhost" },
  { origin: "http://evil.example" },
  { origin: "http://localhost:3000" },
  { origin: "null" },
])("without a token, a page with %o changes nothing", async (headers: Record<string, string>) => {
  const server = await serve();
  const post = (path: string) => server.request(path, { method: "POST", headers });
  for (
    const path of [
      "/actors/counter/c/increment",
      "/dead-letters/redrive",
      "/webhooks",
      "/sagas/booking/b/cancel",
    ]
  ) {
    expectProblem(await post(path), 403, "forbidden");
  }
  expectProblem(await server.request("/dead-letters/m", { method: "DELETE", headers }), 403, "forbidden");
  expectProblem(await server.get("/actors/counter/c"), 404, "no-events");
  expect((await server.get("/events", headers)).status).toBe(200);
});

test.each([
  {},
  { "sec-fetch-site": "same-origin", origin: "http://localhost" },
  { "sec-fetch-site": "none" },
  { "sec-fetch-site": "same-origin", origin: "http://localhost:5173" }, // a proxy of the page's own has sent it on
  { origin: "http://localhost" },
])("without a token, a program or an own page, with %o, gets in", async (headers: Record<string, string>) => {
  const server = await serve();
  expect((await server.post("/actors/counter/c/increment", {}, headers)).status).toBe(200);
});

test("with a token, a page of elsewhere that has it gets in", async () => {
  const server = await serve({ token });
  const headers = {
    authorization: `Bearer ${token}`,
    "sec-fetch-site": "cross-site",
    origin: "http://a.example",
  };
  expect((await server.post("/actors/counter/c/increment", {}, headers)).status).toBe(200);
});

test("without a Host header the URL's own host counts", async () => {
  const server = await serve();
  expect((await server.get("http://127.0.0.1:9/events")).status).toBe(200);
  expectProblem(await server.get("http://evil.example/events"), 403, "forbidden");
});

// What a web page can make a browser send elsewhere without asking first.
test.each([
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "text/plain; application/json",
  "",
])("Content-Type: %s is 415", async (contentType) => {
  const server = await serve();
  const answer = await server.post("/actors/counter/c/increment", {}, { "content-type": contentType });
  expectProblem(answer, 415, "unsupported-media-type");
});

test("a body without a Content-Type is 415, and no body at all needs none", async () => {
  const server = await serve();
  const increment = (body: Uint8Array<ArrayBuffer> | null) =>
    server.request("/actors/counter/c/increment", { method: "POST", body });
  expectProblem(await increment(new TextEncoder().encode("{}")), 415, "unsupported-media-type");
  expect((await increment(null)).status).toBe(200);
  expect((await increment(new Uint8Array())).status).toBe(200);
});

test.each(["application/json", "Application/JSON; charset=utf-8", "application/vnd.folio+json"])(
  "Content-Type: %s will do",
  async (contentType) => {
    const server = await serve();
    const answer = await server.post("/actors/counter/c/increment", {}, { "content-type": contentType });
    expect(answer.status).toBe(200);
  },
);
