import fc from "fast-check";
import { expect, test } from "vitest";
import { expectProblem, serve } from "./support.ts";

/** The whole surface of HTTP, hit with everything. Every answer is checked by `readAnswer` for its form. */

const weird = fc.constantFrom(
  ...["__proto__", "constructor", "toString", "..", ".", "%00", "%ff", "%zz", "%2F", "%25", "a%2Fb", ""],
  ...[
    "redrive",
    "now",
    "0.0",
    "1",
    "-1",
    "NaN",
    "null",
    "é",
    "😀",
    "\\",
    "'; DROP TABLE events; --",
    "*",
    "~",
  ],
);
const segment = fc.oneof(
  fc.constantFrom(
    "actors",
    "events",
    "messages",
    "dead-letters",
    "health",
    "projections",
    "activities",
    "trace",
    "redrive",
  ),
  fc.constantFrom(
    "counter",
    "account",
    "echo",
    "worker",
    "ledger",
    "m1",
    "c",
    "increment",
    "open",
    "say",
    "work",
  ),
  weird,
  fc.string({ maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
);
const knownPath = fc.constantFrom(
  ...["/actors/counter/c", "/actors/counter/c/increment", "/actors/counter/c/events", "/actors/echo/e/keep"],
  ...["/actors/account/a/open", "/actors/worker/w/work", "/events", "/messages/m1", "/messages/m1/trace"],
  ...["/dead-letters", "/dead-letters/redrive", "/dead-letters/m1", "/dead-letters/m1/redrive"],
  ...["/health/live", "/health/ready", "/openapi.json", "/activities"],
);
const path = fc.oneof(knownPath, fc.array(segment, { maxLength: 6 }).map((parts) => `/${parts.join("/")}`));

const name = fc.oneof(
  fc.constantFrom("after", "limit", "type", "actor", "command", "error", "version", "at", "x"),
  weird,
);
const value = fc.oneof(
  weird,
  fc.integer().map(String),
  fc.string({ maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
const query = fc.array(fc.tuple(name, value).map(([name, value]) => `${name}=${value}`), { maxLength: 3 })
  .map((parameters) => parameters.length === 0 ? "" : `?${parameters.join("&")}`);

const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
})
  .filter((text) => !text.includes("\x7f"));
const headerValue = fc.oneof(
  headerText,
  fc.constantFrom(
    '"1"',
    "*",
    '"0", "1"',
    'W/"1"',
    "wait=0",
    "respond-async",
    "wait=1",
    "15m",
    "0s",
    "-1s",
    "0.1",
  ),
  fc.constantFrom(
    "m1",
    "m2",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "text/html",
    "application/json",
  ),
);
const headers = fc.dictionary(
  fc.constantFrom(
    ...["idempotency-key", "if-match", "prefer", "folio-delay", "folio-deliver-at", "folio-correlation-id"],
    ...[
      "traceparent",
      "content-type",
      "last-event-id",
      "accept-encoding",
      "x-unknown",
      "if-none-match",
      "range",
    ],
  ),
  headerValue,
  { maxKeys: 4 },
);

const body = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.constantFrom(
    "",
    "{}",
    "null",
    '{"by":1}',
    '{"label":"l"}',
    '{"owner":"o"}',
    '{"input":{"by":2}}',
    '{"limit":1}',
    '{"url":"https://192.0.2.1/"}',
  ),
  fc.string(),
  fc.uint8Array({ maxLength: 50 }),
);
const method = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("GET", "POST") },
  fc.constantFrom("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND", "QUERY"),
);

const wild = fc.record({ method, path, query, headers, body });

/** A command that fits, with one thing about it that may not. */
const nearlyRight = fc.record({
  method: fc.constant("POST"),
  path: fc.constantFrom("/actors/counter/c/increment", "/actors/worker/w/work", "/actors/account/a/open"),
  query: fc.constant(""),
  headers: fc.oneof(
    fc.constantFrom<Record<string, string>>({}, { prefer: "respond-async" }, { "folio-delay": "1s" }, {
      "idempotency-key": "m1",
    }),
    headers,
  ),
  // One in three does not fit its schema: answers of 422 are then not left to the wild requests' chance.
  body: fc.constantFrom(
    '{"by":1,"label":"l","owner":"o"}',
    '{"by":2,"label":"l","owner":"p"}',
    '{"by":0,"label":1,"owner":""}',
  ),
});

test.each([1, 4])(
  "any request gets a well-formed answer, and no internal error, %i shards",
  async (shards) => {
    const server = await serve({ shards, limits: { requestWaitMsMax: 2_000, mailboxDepthMax: 5 } });
    server.faults.failures.set("l", Infinity); // some work is poison
    const statuses = new Set<number>();
    const request = fc.oneof({ arbitrary: wild, weight: 4 }, { arbitrary: nearlyRight, weight: 1 });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, query, headers, body }) => {
        const hasBody = method !== "GET" && method !== "HEAD";
        const asked = server.request(path + query, {
          method,
          headers: { ...(hasBody ? { "content-type": "application/json" } : {}), ...headers },
          ...(hasBody ? { body: body as BodyInit } : {}),
        });
        asked.catch(() => {}); // said when it is awaited
        await server.clock.advance("2s"); // for those that wait
        const answer = await asked;
        statuses.add(answer.status);
        expect(answer.body?.code).not.toBe("internal");
        if (answer.status === 500) expectProblem(answer, 500, "handler-failed");
        if (answer.status >= 400 && method !== "HEAD" && path !== "/health/ready") {
          expectProblem(answer, answer.status, answer.body?.code);
        }
        if ([429, 503].includes(answer.status)) expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
        if (answer.status === 405) expect(answer.headers.get("allow")).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
      }),
      { numRuns: 1_200 },
    );
    // Would catch a test that only ever sees one kind of answer.
    const usual = [200, 202, 400, 404, 405, 409, 422];
    expect([...statuses]).toEqual(expect.arrayContaining(usual));
  },
);

const uses: [string, string, string][] = [
  ["counter", "increment", "by"],
  ["account", "deposit", "amount"],
  ["worker", "work", "label"],
];

test("any JSON sent to a command is a reply, a rejection or a reason why it does not fit", async () => {
  const server = await serve();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...uses),
      fc.jsonValue(),
      fc.boolean(),
      async (use, value, isWrapped) => {
        const [type, command, field] = use;
        const input = isWrapped ? { [field]: value } : value;
        const answer = await server.post(`/actors/${type}/a/${command}`, JSON.stringify(input));
        expect([200, 409, 422]).toContain(answer.status);
        if (answer.status === 409) expect(answer.body.type).toBe("/problems/rejected");
        if (answer.status === 422) {
          expectProblem(answer, 422, "invalid-input");
          expect(answer.body.issues.length).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("any JSON that a command takes is in the log as it was sent", async () => {
  const server = await serve();
  let key = 0;
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const actor = `/actors/echo/${++key}`;
      expect((await server.post(`${actor}/keep`, JSON.stringify(value))).status).toBe(200);
      const sent = JSON.parse(JSON.stringify(value));
      expect((await server.get(`${actor}/events`)).body.events[0].payload).toEqual({ input: sent });
    }),
    { numRuns: 200 },
  );
});
