import { expect, test } from "vitest";
import { z } from "zod";
import modules from "../../actors/mod.ts";
import { createClient } from "../../src/client.ts";
import { openApiDocument } from "../../src/http/openapi.ts";
import { createApp, createRuntime, projection, query } from "../../src/mod.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { TestClock } from "../client/support.ts";
import { expectProblem, serve, type Served } from "../http/support.ts";

async function withAccounts(
  options: Parameters<typeof serve>[0] = {},
): Promise<{ served: Served; token: string }> {
  const served = await serve(options);
  let token = "";
  for (const [key, owner, amount] of [["a", "Ann", 5], ["b", "Bob", 9], ["c", "Ann", 7]] as const) {
    await served.post(`/actors/account/${key}/open`, { owner });
    token = (await served.post(`/actors/account/${key}/deposit`, { amount })).headers.get("folio-position") ??
      "";
  }
  return { served, token };
}

test.each([1, 4])("the sample's queries answer with what the accounts hold, %i shards", async (shards) => {
  const { served } = await withAccounts({ shards });
  await served.post("/actors/account/b/withdraw", { amount: 4 });
  await served.post("/actors/account/d/open", { owner: "Dan" });
  const { headers } = await served.post("/actors/account/d/close");
  const atLeast = { "folio-at-least": headers.get("folio-position") ?? "" };
  await served.clock.settle();
  const [a, b, c] = [
    { account: "a", owner: "Ann", balance: 5 },
    { account: "b", owner: "Bob", balance: 5 },
    { account: "c", owner: "Ann", balance: 7 },
  ];
  expect((await served.get("/projections/balances/all", atLeast)).body.rows).toEqual([a, b, c]);
  expect((await served.get("/projections/balances/by-owner?owner=Ann")).body.rows).toEqual([a, c]);
  expect((await served.get("/projections/balances/top?limit=2")).body.rows).toEqual([c, a]);
  expect((await served.get("/projections/balances/top")).body).toMatchObject({
    isTruncated: false,
    isStale: false,
    lagEvents: 0,
  });
});

test("an answer names what it reflects, and is not sent again while its rows are the same", async () => {
  const { served, token } = await withAccounts();
  const first = await served.get("/projections/balances/by-owner?owner=Ann", { "folio-at-least": token });
  expect(first.headers.get("folio-position")).toBe(token);
  const etag = first.headers.get("etag") ?? "";
  for (const tag of [etag, `"x", ${etag}`, etag.replace("W/", ""), "*"]) {
    const again = await served.get("/projections/balances/by-owner?owner=Ann", { "if-none-match": tag });
    expect(again).toMatchObject({ status: 304, body: undefined });
    expect(again.headers.get("etag")).toBe(etag);
  }
  // Another owner's money moves the token, and not these rows.
  const other = await served.post("/actors/account/b/deposit", { amount: 1 });
  const position = { "folio-at-least": other.headers.get("folio-position") ?? "", "if-none-match": etag };
  const same = await served.get("/projections/balances/by-owner?owner=Ann", position);
  expect(same.status).toBe(304);
  expect(same.headers.get("folio-position")).toBe(position["folio-at-least"]);
  const own = await served.post("/actors/account/a/deposit", { amount: 1 });
  const changed = await served.get("/projections/balances/by-owner?owner=Ann", {
    "folio-at-least": own.headers.get("folio-position") ?? "",
    "if-none-match": etag,
  });
  expect(changed.status).toBe(200);
});

test("a query that cannot be answered says why", async () => {
  const { served } = await withAccounts();
  expectProblem(await served.get("/projections/nothing/all"), 404, "unknown-projection");
  expectProblem(await served.get("/projections/balances/nothing"), 404, "unknown-query");
  expectProblem(await served.get("/projections/balances/by-owner"), 422, "invalid-input");
  const invalid = await served.get("/projections/balances/top?limit=1001");
  expectProblem(invalid, 422, "invalid-input");
  expect(invalid.body.issues).toMatchObject([{ path: ["limit"] }]);
  expectProblem(await served.get("/projections/balances/top?limit=1&limit=2"), 400, "malformed");
  for (const token of ["x", "1.1", "0.1_0.2", "0.-1", "0.1_"]) {
    expectProblem(
      await served.get("/projections/balances/all", { "folio-at-least": token }),
      400,
      "malformed",
    );
  }
  expectProblem(await served.post("/projections/nothing/rebuild"), 404, "unknown-projection");
  expectProblem(await served.post("/projections/nothing/rebuild?check=true"), 404, "unknown-projection");
  expectProblem(
    await served.request("/projections/nothing/rebuild", { method: "DELETE" }),
    404,
    "unknown-projection",
  );
  expectProblem(await served.post("/projections/balances/rebuild?check=maybe"), 400, "malformed", "check");
  expectProblem(await served.post("/projections/balances/all"), 405, "method-not-allowed");
});

// Would catch a typing error in a filter that silently widens what is selected.
test("a query takes its own parameters only, unless its schema is loose", async () => {
  const rows = z.object({ n: z.number() });
  const one = (input: z.ZodObject) => query(input, rows, () => ["SELECT 1 AS n"] as const);
  const numbers = projection("numbers", {
    version: 1,
    from: [],
    tables: ["CREATE TABLE numbers (n INTEGER)"],
    on: {},
    queries: { strict: one(z.object({ a: z.string().optional() })), loose: one(z.looseObject({})) },
  });
  const { get } = await serve({ modules: [numbers] }).then((served) => ({ get: served.get.bind(served) }));
  expect((await get("/projections/numbers/strict?a=1")).body.rows).toEqual([{ n: 1 }]);
  expectProblem(await get("/projections/numbers/strict?b=1"), 400, "malformed");
  expectProblem(await get("/projections/numbers/strict?__proto__=1"), 400, "malformed");
  expect((await get("/projections/numbers/loose?b=1")).body.rows).toEqual([{ n: 1 }]);
});

test("who waits for a token in vain is told when to come back", async () => {
  const { served } = await withAccounts({ limits: { queryWaitMsMax: 2_000 } });
  const waiting = served.get("/projections/balances/all", { "folio-at-least": "0.99" });
  await served.clock.advance("2s");
  const answer = await waiting;
  expectProblem(answer, 503, "projection-behind");
  expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
});

test("a rebuild is asked for, shown, and done; a check tells what it found", async () => {
  const { served, token } = await withAccounts();
  const asked = await served.post("/projections/balances/rebuild");
  expect(asked.status).toBe(202);
  expect(asked.headers.get("location")).toBe("/projections");
  expect(asked.body.build).toMatchObject({ eventsTotal: 6, startedAt: expect.stringMatching(/^2026-/) });
  await served.runtime.projections.built();
  const { body } = await served.get("/projections");
  expect(body.projections).toContainEqual({
    name: "balances",
    version: 1,
    servedVersion: 1,
    status: "live",
    token,
    lagEvents: 0,
    queries: ["all", "by-owner", "top"],
  });
  const checked = await served.post("/projections/balances/rebuild?check=true");
  expect(checked).toMatchObject({
    status: 200,
    body: { projection: "balances", status: "equal", token, rowsCompared: 3 },
  });
  const cancelled = await served.request("/projections/balances/rebuild", { method: "DELETE" });
  expect(cancelled).toMatchObject({ status: 200, body: { name: "balances", status: "live" } });
});

test("a rebuild from a later place is refused where the projection does not allow it, or the place is none", async () => {
  const { served, token } = await withAccounts();
  for (const from of [token, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00"]) {
    const refused = await served.post(`/projections/balances/rebuild?from=${from}`);
    expectProblem(refused, 409, "partial-rebuild-refused");
    expect(refused.headers.get("retry-after")).toBeNull();
  }
  for (const from of ["", "yesterday", "2026-02-30T12:00:00Z", "7.1", "0.1_0.2"]) {
    expectProblem(await served.post(`/projections/balances/rebuild?from=${from}`), 400, "malformed", "from");
  }
  const both = await served.post(`/projections/balances/rebuild?check=true&from=${token}`);
  expectProblem(both, 400, "malformed", "from");
});

/** A typed client on a real app. */
async function client() {
  const clock = new TestClock();
  const runtime = await createRuntime({ modules, data: ":memory:", shards: 4, clock });
  const app = createApp(runtime);
  const requests: { url: string; atLeast: string | null }[] = [];
  const failures: Response[] = [];
  const made = createClient<typeof modules>("http://localhost", {
    clock,
    fetch: async (url, init) => {
      requests.push({
        url: url.slice("http://localhost".length),
        atLeast: new Headers(init.headers).get("folio-at-least"),
      });
      return failures.shift() ?? await app.request(url, init);
    },
  });
  return { client: made, clock, runtime, requests, failures };
}

test("the client asks queries by their names, and sees what it has done itself", async () => {
  const { client: c, clock, runtime, requests } = await client();
  await using _ = runtime;
  await clock.run(c.account("a").open({ owner: "Ann" }));
  const deposited = await clock.run(c.account("a").deposit({ amount: 5 }));
  const opened = await clock.run(c.account("b").open({ owner: "Bob" }));
  const seen = c.after(deposited).after(opened);
  const { rows, token } = await clock.run(seen.projections.balances.byOwner({ owner: "Ann" }));
  expect(rows).toEqual([{ account: "a", owner: "Ann", balance: 5 }]);
  expect(requests.at(-1)).toEqual({
    url: "/projections/balances/by-owner?owner=Ann",
    atLeast: expect.stringMatching(/^\d\.\d+(_\d\.\d+)?$/),
  });
  const top = await clock.run(c.after(token).projections.balances.top({ limit: 1 }));
  expect(top.rows).toHaveLength(1);
  await clock.run(c.projections.balances.top());
  expect(requests.at(-1)).toEqual({ url: "/projections/balances/top", atLeast: null });
  const rejected = await clock.run(c.account("a").withdraw({ amount: 50 }));
  await clock.run(c.after(rejected).projections.balances.all());
  expect(requests.at(-1)?.atLeast).toBeNull();
});

test("tokens of one shard and of several add up to the later of each", async () => {
  const { client: c, clock, runtime, requests } = await client();
  await using _ = runtime;
  const query = c.after("0.7_2.1").after({ token: "2.5" }).after("0.3").projections.balances.all();
  await clock.run(query.catch(() => {}));
  expect(requests[0]?.atLeast).toBe("0.7_2.5");
});

test("a client that is told to come back does so, not before its time", async () => {
  const { client: c, clock, runtime, failures } = await client();
  await using _ = runtime;
  failures.push(
    Response.json({ code: "projection-behind" }, {
      status: 503,
      headers: { "retry-after": "2", "content-type": "application/problem+json" },
    }),
  );
  const startedAt = clock.now();
  expect((await clock.run(c.projections.balances.all())).rows).toEqual([]);
  expect(clock.now() - startedAt).toBeGreaterThanOrEqual(2_000);
});

test("a query that the server refuses is thrown with its code", async () => {
  const { client: c, clock, runtime } = await client();
  await using _ = runtime;
  await expect(clock.run(c.projections.balances.top({ limit: 0 }))).rejects.toMatchObject({
    status: 422,
    code: "invalid-input",
  });
});

test("what looks at any object that it is given asks nothing", async () => {
  const { client: c, runtime, requests } = await client();
  await using _ = runtime;
  for (const proxy of [c.projections, c.projections.balances]) {
    expect(await Promise.resolve(proxy)).toBe(proxy);
    expect(`${proxy}`).toBe("[object Object]");
    expect(JSON.stringify(proxy)).toBe("{}");
  }
  expect(requests).toEqual([]);
});

test.each(["rebuild", "then", "to-string", "value-of", "a--b", "a-1", "-a", "a-", "A", "a_b", ""])(
  "a query cannot be called %j",
  (name) => {
    const define = () =>
      projection("p", {
        version: 1,
        from: [],
        tables: [],
        on: {},
        queries: { [name]: query(z.object({}), z.object({ a: z.int() }), () => [""]) },
      });
    expect(define).toThrow(TypeError);
  },
);

// deno-lint-ignore no-explicit-any -- a document is looked at in many places, each of another shape
const document: any = JSON.parse(JSON.stringify(openApiDocument(new Registry(modules))));

test("a query is described by what checks its input and its rows", () => {
  const { get } = document.paths["/projections/balances/top"];
  expect(get.operationId).toBe("projections.balances.top");
  expect(get.parameters[0]).toMatchObject({
    name: "limit",
    in: "query",
    required: false,
    schema: { type: "integer", minimum: 1, maximum: 1000, default: 10 },
  });
  expect(get.responses[200].content["application/json"].schema.properties.rows.items).toMatchObject({
    properties: { account: { type: "string" }, balance: { type: "integer" } },
    required: ["account", "owner", "balance"],
  });
  expect(document.paths["/projections/balances/by-owner"].get.parameters[0]).toMatchObject({
    name: "owner",
    required: true,
  });
});

test("what the routes of projections answer is what the document says", async () => {
  const { served } = await withAccounts();
  const described = (path: string, method: string, status: number) => {
    const { schema } = document.paths[path][method].responses[status].content["application/json"];
    return schema.$ref ? document.components.schemas[schema.$ref.split("/").at(-1)] : schema;
  };
  const agree = (schema: { required: string[]; properties: object }, body: object) => {
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(body)));
    expect(Object.keys(body)).toEqual(expect.arrayContaining(schema.required));
  };
  agree(described("/projections", "get", 200), (await served.get("/projections")).body);
  agree(document.components.schemas.Projection, (await served.get("/projections")).body.projections[0]);
  agree(
    described("/projections/balances/all", "get", 200),
    (await served.get("/projections/balances/all")).body,
  );
  agree(
    described("/projections/{name}/rebuild", "post", 200),
    (await served.post("/projections/balances/rebuild?check=true")).body,
  );
  agree(
    described("/projections/{name}/rebuild", "post", 202),
    (await served.post("/projections/balances/rebuild")).body,
  );
});
