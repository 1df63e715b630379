/** The test server itself: what it answers is what the specification says, asked without any client. */
import { expect, onTestFinished, test } from "vitest";
import { HranaServer } from "../support/hrana/server.ts";

async function startServer(options = {}) {
  const server = await HranaServer.start(options);
  onTestFinished(() => server.stop());
  const post = async (body: unknown, headers: Record<string, string> = {}, path = "/v3/pipeline") => {
    const response = await fetch(server.url + path, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const execute = (sql: string, ...args: unknown[]) => ({ type: "execute", stmt: { sql, args } });
  return { server, post, execute };
}

test("it tells that it speaks versions 2 and 3, and no other", async () => {
  const { server } = await startServer();
  const statuses = [];
  for (const path of ["/v2", "/v3", "/db/v3", "/v4", "/", "/v3-protobuf"]) {
    const response = await fetch(server.url + path);
    await response.body?.cancel();
    statuses.push(response.status);
  }
  expect(statuses).toEqual([200, 200, 200, 404, 404, 404]);
});

test("a pipeline runs all of its requests, failed ones too, and closes its stream when told", async () => {
  const { post, execute } = await startServer();
  const { status, body } = await post({
    baton: null,
    requests: [
      execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY)"),
      execute("INSERT INTO t VALUES (?, ?)", { type: "integer", value: "1" }, {
        type: "blob",
        base64: "AQI=",
      }),
      execute("SELEC"),
      execute("INSERT INTO t VALUES (1, 1)"),
      execute("SELECT a, b, 1.5, NULL, 'x' FROM t"),
      { type: "close" },
      execute("SELECT 1"),
    ],
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({ baton: null, base_url: null });
  expect(body.results.map(({ type }: { type: string }) => type)).toEqual(
    ["ok", "ok", "error", "error", "ok", "ok", "error"],
  );
  expect(body.results[3].error).toEqual({
    message: "SQLite error: UNIQUE constraint failed: t.a",
    code: "SQLITE_CONSTRAINT_PRIMARYKEY",
  });
  expect(body.results[4].response.result.rows).toEqual([[
    { type: "integer", value: "1" },
    { type: "blob", base64: "AQI=" },
    { type: "float", value: 1.5 },
    { type: "null" },
    { type: "text", value: "x" },
  ]]);
});

test("a baton carries a transaction to the next request, once, and on no other database", async () => {
  const { post, execute } = await startServer();
  const begun = await post({
    requests: [execute("CREATE TABLE t (a)"), execute("BEGIN"), execute("INSERT INTO t VALUES (1)")],
  });
  const { baton } = begun.body;
  expect(baton).toEqual(expect.any(String));
  const count = { requests: [execute("SELECT count(*) FROM t"), { type: "close" }] };
  expect((await post(count)).body.results[0].response.result.rows).toEqual([[{
    type: "integer",
    value: "0",
  }]]);
  const [autocommit] =
    (await post({ baton, requests: [{ type: "get_autocommit" }, execute("COMMIT")] })).body.results;
  expect(autocommit.response).toEqual({ type: "get_autocommit", is_autocommit: false });
  expect((await post({ baton, requests: [] })).status).toBe(400);
  expect((await post(count)).body.results[0].response.result.rows).toEqual([[{
    type: "integer",
    value: "1",
  }]]);
  expect((await post(count, {}, "/other/v3/pipeline")).body.results[0].type).toBe("error");
});

test("a batch runs a step where its condition holds", async () => {
  const { post } = await startServer();
  const step = (sql: string, condition?: unknown) => ({ stmt: { sql }, condition });
  const { body } = await post({
    requests: [{
      type: "batch",
      batch: {
        steps: [
          step("BEGIN"),
          step("SELECT nothing", { type: "ok", step: 0 }),
          step("SELECT 2", { type: "ok", step: 1 }),
          step("SELECT 3", {
            type: "and",
            conds: [{ type: "error", step: 1 }, { type: "not", cond: { type: "is_autocommit" } }],
          }),
          step("ROLLBACK", { type: "or", conds: [{ type: "ok", step: 2 }, { type: "ok", step: 3 }] }),
          step("SELECT 5", { type: "is_autocommit" }),
        ],
      },
    }],
  });
  const { step_results, step_errors } = body.results[0].response.result;
  expect(step_results.map((result: unknown) => result !== null)).toEqual([
    true,
    false,
    false,
    true,
    true,
    true,
  ]);
  expect(step_errors.map((error: unknown) => error !== null)).toEqual([
    false,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("it refuses what a server refuses: pragmas that set, other databases, too few arguments, a wrong token", async () => {
  const { post, execute } = await startServer({ token: "right" });
  const headers = { authorization: "Bearer right" };
  const refused = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA wal_checkpoint",
    "ATTACH 'x' AS x",
    "VACUUM",
    "SELECT ?",
  ];
  const { body } = await post({ requests: refused.map((sql) => execute(sql)) }, headers);
  expect(body.results.map(({ type }: { type: string }) => type)).toEqual(refused.map(() => "error"));
  expect((await post({ requests: [] })).status).toBe(401);
  expect((await post({ requests: [] }, { authorization: "Bearer wrong" })).status).toBe(401);
  expect((await post("{", headers)).status).toBe(400);
  for (const body of ["{}", "[]", "null", `{"requests":1}`]) {
    expect((await post(body, headers)).status).toBe(400);
  }
});
