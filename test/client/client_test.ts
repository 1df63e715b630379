import { Hono } from "hono";
import { expect, test } from "vitest";
import { createClient, FolioClientError } from "../../src/client.ts";
import { clientOf, problem, replied, TestClock } from "./support.ts";

/** A server that gives these answers to commands, one after the other, and the last one from then on. */
function answering(...answers: (() => Response)[]): Hono {
  let requests = 0;
  return new Hono().post("/actors/:type/:key/:command", () => {
    const answer = answers[Math.min(requests++, answers.length - 1)];
    if (!answer) throw new Error("No answer was given");
    return answer();
  });
}

const lost = () => {
  throw new TypeError("connection reset");
};

/** A server whose connections break before the answer. */
function breaking(times: number): Hono {
  const app = answering(...Array(times).fill(lost), replied);
  return app.onError((error) => {
    throw error;
  });
}

const withdraw = (client: ReturnType<typeof clientOf>["client"]) =>
  client.account("alice").withdraw({ amount: 5 });

test("a command is posted as JSON, and its reply comes back with what names its effect", async () => {
  const { client, clock, seen } = clientOf(answering(replied), { token: "secret-of-16-chars" });
  const result = await clock.run(
    client.account("a/b c?").withdraw({ amount: 5 }, {
      idempotencyKey: "order-1",
      expectedVersion: 3,
      waitSeconds: 10,
      correlationId: "c1",
    }),
  );
  expect(result).toEqual({
    ok: true,
    reply: { balance: 5 },
    version: 2,
    position: 7,
    messageId: "order-1",
    token: "0.7",
  });
  const [request] = seen;
  expect(request).toMatchObject({
    method: "POST",
    path: "/actors/account/a%2Fb%20c%3F/withdraw",
    body: { amount: 5 },
  });
  expect(Object.fromEntries(request?.headers ?? [])).toEqual({
    "accept": "application/json",
    "authorization": "Bearer secret-of-16-chars",
    "content-type": "application/json",
    "folio-correlation-id": "c1",
    "idempotency-key": "order-1",
    "if-match": '"3"',
    "prefer": "wait=10",
  });
});

test("input that the schema does not ask for may be left out", async () => {
  const { client, clock, seen } = clientOf(answering(() => replied({ value: 1 })));
  await clock.run(client.counter("clicks").increment());
  expect(seen[0]?.body).toEqual({});
});

test("a server below a path is reached there", async () => {
  const { clock } = clientOf(new Hono());
  const urls: string[] = [];
  const client = createClient<[]>("https://example.com/folio/", {
    clock,
    fetch: (url) => {
      urls.push(url);
      return problem(404, "unknown-message");
    },
  });
  await clock.run(client.$message("m1"));
  expect(urls).toEqual(["https://example.com/folio/messages/m1"]);
});

/** Would catch: a command that is done twice because its second attempt is another message to the server. */
test("every attempt of a call carries one key, and every call its own", async () => {
  const { client, clock, seen } = clientOf(breaking(2));
  await clock.run(withdraw(client));
  await clock.run(withdraw(client));
  const keys = seen.map(({ headers }) => headers.get("idempotency-key"));
  expect(keys).toHaveLength(4);
  expect(new Set(keys.slice(0, 3)).size).toBe(1);
  expect(keys[3]).not.toBe(keys[0]);
});

test.each([
  ["a lost connection", lost],
  ["a full mailbox", () => problem(429, "mailbox-full")],
  ["a server that stops", () => problem(503, "draining")],
  ["a gateway without a server", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
  ["a message in progress", () => problem(409, "message-in-progress")],
])("%s is tried again, with growing pauses", async (_, answer) => {
  const app = answering(answer, answer, answer, replied).onError((error) => {
    throw error;
  });
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(withdraw(client))).toMatchObject({ ok: true });
  const waits = seen.slice(1).map(({ afterMs }, index) => afterMs - (seen[index]?.afterMs ?? 0));
  expect(waits).toHaveLength(3);
  for (const [index, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(200 * 2 ** index * 0.8);
    expect(wait).toBeLessThanOrEqual(200 * 2 ** index * 1.2);
  }
});

test.each([["seconds", "7"], ["a date", "Thu, 01 Jan 2026 00:00:07 GMT"]])(
  "Retry-After is kept to, as %s",
  async (_, retryAfter) => {
    const full = () => problem(429, "mailbox-full", { headers: { "retry-after": retryAfter } });
    const { client, clock, seen } = clientOf(answering(full, replied));
    await clock.run(withdraw(client));
    expect(seen.map(({ afterMs }) => afterMs)).toEqual([0, 7_000]);
  },
);

test("who asks to come back in an hour is not waited for", async () => {
  const app = answering(() => problem(503, "draining", { headers: { "retry-after": "3600" } }));
  const { client, clock, seen } = clientOf(app);
  await expect(clock.run(withdraw(client))).rejects.toMatchObject({
    code: "draining",
    retryAfterMs: 3_600_000,
  });
  expect(seen).toHaveLength(1);
});

test.each([[undefined, 5], [2, 2], [1, 1]])(
  "with attemptsMax %s, %i requests are made",
  async (attemptsMax, made) => {
    const { client, clock, seen } = clientOf(answering(() => problem(503, "draining")), { attemptsMax });
    await expect(clock.run(withdraw(client))).rejects.toMatchObject({ status: 503, code: "draining" });
    expect(seen).toHaveLength(made);
  },
);

test("a server that is never reached is an error with its cause", async () => {
  const { client, clock } = clientOf(breaking(5));
  const error: unknown = await clock.run(withdraw(client).catch((error) => error));
  expect(error).toBeInstanceOf(FolioClientError);
  expect(error).toMatchObject({ status: 0, code: "unreachable", cause: { message: "connection reset" } });
});

test("attemptsMax below 1 is refused", () => {
  for (const attemptsMax of [0, -1, NaN]) {
    expect(() => createClient("http://folio.test", { attemptsMax })).toThrow(RangeError);
  }
});

test.each([
  [400, "malformed"],
  [401, "unauthorized"],
  [404, "unknown-command"],
  [409, "ambiguous-message"],
  [412, "version-mismatch"],
  [413, "payload-too-large"],
  [422, "invalid-input"],
  [500, "handler-failed"],
])("%i %s is thrown at once", async (status, code) => {
  const { client, clock, seen } = clientOf(answering(() => problem(status, code)));
  const error: unknown = await clock.run(withdraw(client).catch((error) => error));
  expect(error).toBeInstanceOf(FolioClientError);
  expect(error).toMatchObject({ status, code, problem: { type: `/problems/${code}`, status, code } });
  expect(seen).toHaveLength(1);
});

test("an answer that is not Folio's is an error, and no reply", async () => {
  const { client, clock, seen } = clientOf(answering(() => new Response("<h1>Log in</h1>")));
  await expect(clock.run(withdraw(client))).rejects.toMatchObject({
    status: 200,
    code: "unexpected-response",
  });
  expect(seen).toHaveLength(1);
});

test("a rejection is a result with the actor's code and details", async () => {
  const rejected = () => problem(409, "insufficient-funds", { type: "rejected", details: { balance: 2 } });
  const { client, clock, seen } = clientOf(answering(rejected));
  const result = await clock.run(
    client.account("alice").withdraw({ amount: 5 }, { idempotencyKey: "order-1" }),
  );
  expect(result).toEqual({
    ok: false,
    rejection: { code: "insufficient-funds", details: { balance: 2 } },
    messageId: "order-1",
  });
  expect(seen).toHaveLength(1);
});

/** Would catch: an actor's own code taken for one of the server's. */
test("a rejection that is called as the server's own code is still a rejection", async () => {
  const { client, clock, seen } = clientOf(
    answering(() => problem(409, "message-in-progress", { type: "rejected" })),
  );
  expect(await clock.run(withdraw(client))).toMatchObject({
    ok: false,
    rejection: { code: "message-in-progress" },
  });
  expect(seen).toHaveLength(1);
});

/** A server that takes the command and tells these things of its message, the last one from then on. */
function accepting(...messages: object[]): Hono {
  let polls = 0;
  return new Hono()
    .post("/actors/:type/:key/:command", (c) => {
      const id = c.req.header("idempotency-key") ?? "";
      c.header("location", `http://elsewhere.test/messages/${id}`);
      return c.json({ messageId: id, actor: "account/alice", status: "queued" }, 202);
    })
    .get("/messages/:id", (c) => {
      c.header("folio-position", "0.9");
      return c.json({ id: c.req.param("id"), ...messages[Math.min(polls++, messages.length - 1)] });
    });
}

const queued = { status: "queued", attempts: 0 };

test("a command that takes longer is asked after until it is done, less and less often", async () => {
  const done = { status: "done", attempts: 1, reply: { balance: 1 }, version: 4, position: 9 };
  const { client, clock, seen } = clientOf(accepting(...Array(9).fill(queued), { status: "retrying" }, done));
  const result = await clock.run(
    client.account("alice").withdraw({ amount: 5 }, { idempotencyKey: "order 1", waitSeconds: 1 }),
  );
  expect(result).toEqual({
    ok: true,
    reply: { balance: 1 },
    version: 4,
    position: 9,
    messageId: "order 1",
    token: "0.9",
  });
  const polls = seen.slice(1);
  expect(polls).toHaveLength(11);
  for (const poll of polls) {
    expect(poll).toMatchObject({
      method: "GET",
      path: "/messages/order%201",
      query: { actor: "account/alice" },
    });
  }
  expect(polls[0]?.afterMs).toBeLessThanOrEqual(120);
  expect((polls[10]?.afterMs ?? 0) - (polls[9]?.afterMs ?? 0)).toBeGreaterThanOrEqual(4_000);
});

test("a command that is rejected later is rejected", async () => {
  const rejection = { code: "not-open", details: {} };
  const { client, clock } = clientOf(accepting(queued, { status: "rejected", attempts: 1, rejection }));
  expect(await clock.run(withdraw(client))).toMatchObject({ ok: false, rejection });
});

test("a command that uses up its attempts is an error that tells the last one's", async () => {
  const { client, clock } = clientOf(
    accepting(queued, { status: "dead", attempts: 5, error: "Error: no luck" }),
  );
  await expect(clock.run(withdraw(client))).rejects.toMatchObject({
    code: "message-dead",
    message: expect.stringContaining("no luck"),
    problem: { attempts: 5 },
  });
});

test("asking after a message outlives a server that is gone for a while", async () => {
  const app = accepting(queued, { status: "done", reply: null, version: 1, position: 1 });
  let requests = 0;
  app.use(async (_, next) => {
    if (++requests === 3) return problem(503, "draining");
    await next();
  });
  const flaky = new Hono().use(async (_, next) => {
    if (++requests === 2) return problem(503, "draining", { headers: { "retry-after": "2" } });
    await next();
  }).route("/", app);
  const { client, clock } = clientOf(flaky);
  expect(await clock.run(withdraw(client))).toMatchObject({ ok: true });
});

test("an abort ends the wait for a message", async () => {
  const { client, clock } = clientOf(accepting(queued));
  const controller = new AbortController();
  clock.after(60_000, () => controller.abort(new Error("enough")));
  const asking = client.account("alice").withdraw({ amount: 5 }, { signal: controller.signal });
  await expect(clock.run(asking)).rejects.toThrow("enough");
  expect(clock.pending).toBe(0);
});

test("an abort ends the pause before another attempt", async () => {
  const full = () => problem(429, "mailbox-full", { headers: { "retry-after": "30" } });
  const { client, clock, seen } = clientOf(answering(full));
  const controller = new AbortController();
  const asking = client.account("alice").withdraw({ amount: 5 }, { signal: controller.signal });
  await clock.settle();
  controller.abort(new Error("enough"));
  await expect(asking).rejects.toThrow("enough");
  expect(seen).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test("an abort ends a request, and one that came before sends nothing", async () => {
  const clock = new TestClock();
  let requests = 0;
  const fetch = () => {
    requests++;
    return new Promise<Response>(() => {});
  };
  const client = createClient<[]>("http://folio.test", { clock, fetch });
  const controller = new AbortController();
  const asking = client.$events({ signal: controller.signal });
  await clock.settle();
  controller.abort(new Error("enough"));
  await expect(asking).rejects.toThrow("enough");
  await expect(client.$events({ signal: controller.signal })).rejects.toThrow("enough");
  expect(requests).toBe(1);
  expect(clock.pending).toBe(0);
});

/** Would catch: a caller that waits for ever on a connection whose other end has gone. */
test("a request without a response is given up after a minute, and tried again", async () => {
  const clock = new TestClock();
  const signals: (AbortSignal | null | undefined)[] = [];
  const client = createClient<[]>("http://folio.test", {
    clock,
    fetch: (_, { signal }) => {
      signals.push(signal);
      if (signals.length < 3) return new Promise<Response>(() => {});
      return Response.json({ events: [], next: "", hasMore: false });
    },
  });
  const startedAt = clock.now();
  expect(await clock.run(client.$events())).toEqual({ events: [], next: "", hasMore: false });
  expect(clock.now() - startedAt).toBeGreaterThanOrEqual(120_000);
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, false]);
});

test("a header that cannot be sent is said at once", async () => {
  const { client, clock, seen } = clientOf(answering(replied));
  const asking = client.account("alice").withdraw({ amount: 5 }, { idempotencyKey: "größe → 5" });
  await expect(clock.run(asking)).rejects.toThrow(TypeError);
  expect(seen).toHaveLength(0);
});

test("$send leaves a message and does not wait for its reply", async () => {
  const { client, clock, seen } = clientOf(accepting(queued));
  const sent = await clock.run(
    client.account("alice").$send("deposit", { amount: 5 }, {
      delay: "15m",
      idempotencyKey: "m1",
      expectedVersion: 2,
    }),
  );
  expect(sent).toEqual({ messageId: "m1" });
  expect(seen).toHaveLength(1);
  expect(Object.fromEntries(seen[0]?.headers ?? [])).toMatchObject({
    "folio-delay": "15m",
    "if-match": '"2"',
    "prefer": "respond-async",
  });
});

test("$send takes a time, too", async () => {
  const { client, clock, seen } = clientOf(accepting(queued));
  await clock.run(client.counter("c").$send("reset", {}, { deliverAt: new Date("2026-02-01T00:00:00Z") }));
  expect(seen[0]?.headers.get("folio-deliver-at")).toBe("2026-02-01T00:00:00.000Z");
});

/** Would catch: a repeated attempt that finds its message handled, and takes the actor's no for its own. */
test("$send has done its work when its message has been handled already", async () => {
  const rejected = () => problem(409, "not-open", { type: "rejected" });
  const { client, clock } = clientOf(answering(() => problem(503, "draining"), rejected));
  await clock.run(client.account("alice").$send("deposit", { amount: 5 }));
});

test("$state gives the state, now or then, and undefined where there is none", async () => {
  const app = new Hono().get("/actors/:type/:key", (c) => {
    if (c.req.param("key") === "nobody") return problem(404, "no-events");
    if (c.req.param("type") === "counter") return problem(404, "unknown-actor-type");
    return c.json({ actor: "account/alice", version: 3, state: { balance: 5 } });
  });
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(client.account("alice").$state())).toEqual({ state: { balance: 5 }, version: 3 });
  await clock.run(client.account("alice").$state({ version: 3 }));
  await clock.run(client.account("alice").$state({ at: new Date("2026-01-01T00:00:00Z") }));
  expect(seen.map(({ query }) => query)).toEqual([{}, { version: "3" }, { at: "2026-01-01T00:00:00.000Z" }]);
  expect(await clock.run(client.account("nobody").$state())).toBeUndefined();
  await expect(clock.run(client.counter("c").$state())).rejects.toMatchObject({ code: "unknown-actor-type" });
});

test("$message gives what is known of a message, and undefined where nothing is", async () => {
  const app = new Hono().get("/messages/:id", (c) => {
    return c.req.param("id") === "m1" ? c.json({ id: "m1", ...queued }) : problem(404, "unknown-message");
  });
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(client.$message("m1", { actor: "account/alice" }))).toEqual({ id: "m1", ...queued });
  expect(seen[0]?.query).toEqual({ actor: "account/alice" });
  expect(await clock.run(client.$message("m2"))).toBeUndefined();
});

test("$events gives a page of the log", async () => {
  const page = { events: [], next: "0.7", hasMore: true };
  const { client, clock, seen } = clientOf(new Hono().get("/events", (c) => c.json(page)));
  expect(await clock.run(client.$events({ after: "0.3", type: "Withdrawn", limit: 10 }))).toEqual(page);
  expect(seen[0]?.query).toEqual({ after: "0.3", type: "Withdrawn", limit: "10" });
});

test("what looks at any object it is given sends nothing", async () => {
  const { client, seen } = clientOf(answering(replied));
  const alice = client.account("alice");
  for (const proxy of [client, alice]) {
    expect(await Promise.resolve(proxy)).toBe(proxy);
    expect(`${proxy}`).toBe("[object Object]");
    expect(JSON.stringify(proxy)).toBe("{}");
    expect(Object.hasOwn(proxy, "then")).toBe(false);
  }
  expect(seen).toHaveLength(0);
});

/** Would catch: `/actors/account/../withdraw`, which a URL turns into `/actors/withdraw`. */
test.each(["", ".", "..", "a\nb", "\ud800"])("the key %j, which no URL can hold, is refused", (key) => {
  const { client } = clientOf(new Hono());
  expect(() => client.account(key)).toThrow(TypeError);
});
