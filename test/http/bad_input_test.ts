import { expect, test } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import { expectProblem, serve } from "./support.ts";

test.each([
  "{",
  "[1,]",
  "undefined",
  "NaN",
  "'a'",
  '{"by":01}',
  '{"by":1}}',
  '{"by":1} {"by":2}',
  '{"by":\n"\n"}',
  "\0",
  "<xml/>",
  '"\\ud8"',
  "[".repeat(128),
  " ",
])("body %j is 400", async (body) => {
  const server = await serve();
  const answer = await server.post("/actors/counter/c/increment", body);
  expectProblem(answer, 400, "malformed", "body");
  expect(answer.body.detail).toMatch(/^Body /);
});

test.each([
  "null",
  "[]",
  "1",
  '"text"',
  "true",
  '{"by":"1"}',
  '{"by":1.5}',
  '{"by":0}',
  '{"by":1e999}',
  '{"by":null}',
])(
  "input %s is 422",
  async (body) => {
    const server = await serve();
    expectProblem(await server.post("/actors/counter/c/increment", body), 422, "invalid-input");
  },
);

test("invalid UTF-8 is 400", async () => {
  const server = await serve();
  for (
    const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x28, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [
      0xfe,
      0xff,
    ]]
  ) {
    expectProblem(await server.post("/actors/echo/e/say", new Uint8Array(bytes)), 400, "malformed", "body");
  }
});

test.each([["[", "]"], ['{"a":', "}"]])(
  "%s nests as deep as allowed, and not one deeper",
  async (open, close) => {
    const server = await serve();
    const nested = (depth: number) => open.repeat(depth) + (open === "[" ? "" : "1") + close.repeat(depth);
    const { jsonDepthMax } = defaultLimits;
    const deepest = await server.post("/actors/echo/e/say", nested(jsonDepthMax));
    expect(JSON.stringify(deepest.body.reply.input)).toBe(nested(jsonDepthMax));
    for (const depth of [jsonDepthMax + 1, 1_000, 100_000]) {
      const deeper = await server.post("/actors/echo/e/say", nested(depth));
      expectProblem(deeper, 400, "malformed", "body");
      expect(deeper.body.detail).toContain(`${jsonDepthMax}`);
    }
    // Brackets in strings are no nesting.
    expect((await server.post("/actors/echo/e/say", JSON.stringify("[{".repeat(500)))).status).toBe(200);
  },
);

test("as many keys as a body may hold are no trouble, wherever they are sent", async () => {
  const server = await serve();
  const many = (count: number) =>
    `{${Array.from({ length: count }, (_, n) => `"${n.toString(36)}":1`).join(",")}}`;
  expectProblem(await server.post("/actors/counter/c/increment", many(1_000_000)), 413, "payload-too-large");
  const most = many(100_000);
  expect((await server.post("/actors/counter/c/increment", most)).status).toBe(200);
  expect((await server.post("/actors/echo/e/measure", most)).body.reply).toEqual({ chars: most.length });
  expectProblem(await server.post("/dead-letters/redrive", most), 422, "invalid-input");
  expectProblem(await server.post("/dead-letters/m/redrive", most), 422, "invalid-input");
  const list = `{"input":[${Array(400_000).fill(0).join(",")}]}`;
  expectProblem(await server.post("/dead-letters/m/redrive", list), 404, "unknown-message");
});

test.each([
  "/actors/counter/%zz",
  "/actors/counter/%",
  "/actors/counter/%c3%28",
  "/actors/%ff/c",
  "/%",
  "/health/%e0%a4%a",
])(
  "bad percent-encoding in %s is 400",
  async (path) => {
    const server = await serve();
    expectProblem(await server.get(path), 400, "malformed", "path");
    expectProblem(await server.post(`${path}/increment`), 400, "malformed", "path");
  },
);

test.each(["?%zz=1", "?type=%zz", "?type=%ff", "?%00=1"])(
  "bad percent-encoding in %s does no harm",
  async (query) => {
    const server = await serve();
    expect([200, 400]).toContain((await server.get(`/events${query}`)).status);
    expectProblem(await server.get(`/actors/counter/c${query}`), 400, "malformed");
  },
);

const long = (bytes: number, unit = "k") =>
  encodeURIComponent(unit.repeat(bytes / new TextEncoder().encode(unit).length));

test.each([["k", 512], ["é", 512], ["😀", 512]])(
  "a key of %s is taken up to %i bytes",
  async (unit, bytes) => {
    const server = await serve();
    const increment = (key: string) => server.post(`/actors/counter/${key}/increment`);
    expect((await increment(long(bytes, unit))).status).toBe(200);
    expect((await server.get(`/actors/counter/${long(bytes, unit)}`)).status).toBe(200);
    for (const longer of [`${long(bytes, unit)}x`, long(10_240, unit)]) {
      const answer = await increment(longer);
      expectProblem(answer, 400, "malformed", "key");
      expect(answer.body.detail).toContain("512 bytes");
      expectProblem(await server.get(`/actors/counter/${longer}`), 400, "malformed", "key");
      expectProblem(await server.get(`/actors/counter/${longer}/events`), 400, "malformed", "key");
    }
  },
);

test.each(["%00", "%0a", "a%0d%0ab", "%1b", "%7f", "%C2%85"])(
  "a key with the control character %s is 400",
  async (key) => {
    const server = await serve();
    expectProblem(await server.post(`/actors/counter/${key}/increment`), 400, "malformed", "key");
    expectProblem(await server.get(`/actors/counter/${key}`), 400, "malformed", "key");
  },
);

test("a name that is much too long is not sent back whole", async () => {
  const server = await serve();
  const name = "x".repeat(10_000);
  expectProblem(await server.post(`/actors/${name}/c/increment`), 404, "unknown-actor-type");
  expectProblem(await server.post(`/actors/counter/c/${name}`), 404, "unknown-command");
  expectProblem(await server.get(`/${name}`), 404, "not-found");
  expectProblem(await server.get(`/messages/${name}`), 400, "malformed", "id");
  expectProblem(await server.get(`/events?${name}=1`), 400, "malformed");
  expectProblem(await server.get(`/events?after=${name}`), 400, "malformed");
  for (
    const header of ["idempotency-key", "if-match", "folio-delay", "content-type", "folio-correlation-id"]
  ) {
    expect([400, 415]).toContain(
      (await server.post("/actors/counter/c/increment", {}, { [header]: name })).status,
    );
  }
});

test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then"])(
  "%s is a name like any other",
  async (name) => {
    const server = await serve();
    expectProblem(await server.post(`/actors/${name}/c/increment`), 404, "unknown-actor-type");
    expectProblem(await server.get(`/actors/${name}/c`), 404, "unknown-actor-type");
    expectProblem(await server.post(`/actors/counter/c/${name}`), 404, "unknown-command");
    expectProblem(await server.get(`/events?${name}=1`), 400, "malformed");
    expectProblem(await server.get(`/actors/counter/c?${name}`), 400, "malformed");
    expectProblem(await server.get(`/messages/${name}`), 404, "unknown-message");
    expectProblem(await server.get(`/dead-letters/${name}`), 404, "unknown-message");
    expect((await server.get(`/events?type=${name}`)).body.events).toEqual([]);
    expect((await server.get(`/dead-letters?actor=${name}`)).body.deadLetters).toEqual([]);
    const keyed = await server.post(`/actors/counter/${name}/increment`, {}, { "idempotency-key": name });
    expect(keyed.body).toMatchObject({ messageId: name, actor: `counter/${name}` });
    const body = `{"${name}":{"polluted":true},"a":[{"${name}":1}]}`;
    expect(JSON.stringify((await server.post("/actors/echo/e/say", body)).body.reply.input)).toBe(body);
    expect((await server.post("/actors/counter/c/increment", body)).status).toBe(200);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  },
);

// Would catch what JSON cannot hold, or holds differently, between the wire and the log.
test("strings of every kind come back from the log as they were sent", async () => {
  const server = await serve();
  const inputs = [
    '"\\u0000"',
    '"\u2028\u2029"',
    '"😀"',
    '"\\"\\\\"',
    '"a\\nb"',
    '""',
    "-0",
    "1e308",
  ];
  for (const [index, input] of inputs.entries()) {
    await server.post(`/actors/echo/${index}/keep`, input, {
      "idempotency-key": `m${index}`,
      prefer: "respond-async",
    });
    await server.settled(`m${index}`);
    const { body } = await server.get(`/actors/echo/${index}/events`);
    expect(body.events[0].payload).toEqual({ input: JSON.parse(input === "-0" ? "0" : input) });
  }
});

test("headers given twice are not guessed at", async () => {
  const server = await serve();
  const twice = async (name: string, first: string, second: string) => {
    const headers = new Headers({ "content-type": "application/json" });
    headers.append(name, first);
    headers.append(name, second);
    return await server.request("/actors/counter/c/increment", { method: "POST", headers, body: "{}" });
  };
  expectProblem(await twice("idempotency-key", "a", "b"), 400, "malformed", "Idempotency-Key");
  expectProblem(await twice("folio-delay", "1s", "2s"), 400, "malformed", "Folio-Delay");
  expectProblem(await twice("folio-correlation-id", "a", "b"), 400, "malformed", "Folio-Correlation-Id");
  expectProblem(await twice("if-match", '"1"', "nonsense"), 400, "malformed", "If-Match");
  expectProblem(await twice("content-type", "application/json", "text/plain"), 415, "unsupported-media-type");
  expect((await twice("prefer", "respond-async", "wait=0")).status).toBe(202);
  expect((await twice("traceparent", "a", "b")).status).toBe(200);
});

test.each(["1", "abc", 'W/"1"', '"a"', '"-1"', '"1" "2"', "", '"1",', Array(101).fill('"1"').join(",")])(
  "If-Match: %s is 400",
  async (ifMatch) => {
    const server = await serve();
    const answer = await server.post("/actors/counter/c/increment", {}, { "if-match": ifMatch });
    expectProblem(answer, 400, "malformed", "If-Match");
  },
);

test("a command takes no query parameters", async () => {
  const server = await serve();
  expectProblem(await server.post("/actors/counter/c/increment?by=2"), 400, "malformed", "by");
  expectProblem(await server.get("/openapi.json?x=1"), 400, "malformed");
});
