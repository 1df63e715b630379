import { expect, onTestFinished, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { type Answer, expectProblem, serve, type Served } from "./support.ts";

const MIB = 1_048_576;

/** A JSON string of so many bytes. */
const textOf = (bytes: number) => `"${"x".repeat(bytes - 2)}"`;

/** A body whose length nobody knows beforehand, in pieces. */
function streamOf(text: string, pieceBytes = 65_536): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at += pieceBytes));
    },
  });
}

const measure = (server: Served, body: string | ReadableStream<Uint8Array>, headers = {}): Promise<Answer> =>
  server.post("/actors/echo/e/measure", body, headers);

test.each(["with its length", "in pieces"])("a body of exactly 1 MiB is taken, sent %s", async (how) => {
  const server = await serve();
  const text = textOf(MIB);
  const answer = how === "in pieces"
    ? await measure(server, streamOf(text))
    : await measure(server, text, { "content-length": `${MIB}` });
  expect(answer.body.reply).toEqual({ chars: MIB });
});

test("one byte more is 413, with its length and in pieces, of whatever size", async () => {
  const server = await serve();
  const text = textOf(MIB + 1);
  const answers = [
    await measure(server, text),
    await measure(server, text, { "content-length": `${MIB + 1}` }),
    await measure(server, streamOf(text)),
    await measure(server, streamOf(text, MIB + 1)),
    await measure(server, streamOf(text, MIB)),
  ];
  for (const answer of answers) {
    expectProblem(answer, 413, "payload-too-large");
    expect(answer.body).toMatchObject({ bytesMax: MIB, detail: expect.stringContaining(`${MIB} bytes`) });
  }
});

test("a body that says it is too long is refused before it comes", async () => {
  const server = await serve();
  let pulled = 0;
  const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
  expectProblem(await measure(server, body, { "content-length": "99999999" }), 413, "payload-too-large");
  expect(pulled).toBe(0);
});

test("a body without end is given up once it is too long", async () => {
  const server = await serve();
  let isCancelled = false;
  const piece = new Uint8Array(100_000).fill(0x20);
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(piece),
    cancel: () => void (isCancelled = true),
  });
  expectProblem(await measure(server, body), 413, "payload-too-large");
  expect(isCancelled).toBe(true);
});

test("a body that stops half way is 408 after its time, and not before", async () => {
  const server = await serve();
  let answer: Answer | undefined;
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"by":')),
  });
  const asked = server.post("/actors/counter/c/increment", body).then((given) => answer = given);
  await server.clock.advance(29_999);
  expect(answer).toBeUndefined();
  await server.clock.advance(1);
  expectProblem(await asked, 408, "body-timeout");
  expect((await asked).body).toMatchObject({ timeoutMs: 30_000 });
  // Nothing of it is left behind.
  expect((await server.post("/actors/counter/c/increment")).body.version).toBe(1);
});

test.each([[1_999, 200], [2_001, 408]])(
  "where bodyReadMsMax is 2 s, a body whose end comes after %i ms is %i",
  async (afterMs, status) => {
    const server = await serve({ limits: { bodyReadMsMax: 2_000 } });
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"by":'));
        server.clock.after(afterMs, () => {
          controller.enqueue(new TextEncoder().encode("2}"));
          controller.close();
        });
      },
    });
    const asked = server.post("/actors/counter/c/increment", body);
    await server.clock.advance("3s");
    expect((await asked).status).toBe(status);
  },
);

test("a body that breaks off is 400", async () => {
  const server = await serve();
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("connection reset")) });
  const answer = await server.post("/actors/counter/c/increment", body);
  expectProblem(answer, 400, "malformed", "body");
  expect(answer.body.detail).not.toContain("reset");
});

test("a byte at a time is a body like any other, and its timer goes with it", async () => {
  const server = await serve();
  const before = server.clock.pending;
  expect((await measure(server, streamOf('{"a":"ä😀"}', 1))).body.reply).toEqual({ chars: 11 });
  expect(server.clock.pending).toBeLessThanOrEqual(before + 1);
});

/** Serves on a socket, for what a `Request` object cannot show. */
function listen(server: Served) {
  const started: (() => void)[] = [];
  const app = createApp(server.runtime);
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    started.shift()?.();
    return app.fetch(request);
  });
  onTestFinished(() => http.shutdown());
  return {
    /** Resolves when the next request has reached the app. */
    nextRequest: () => new Promise<void>((resolve) => started.push(resolve)),
    async connect() {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: http.addr.port });
      onTestFinished(() => {
        try {
          connection.close();
        } catch {
          // the test has closed it
        }
      });
      return connection;
    },
  };
}

const post =
  "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const send = (to: Deno.Conn, text: string) => to.write(new TextEncoder().encode(text));

async function readStatus(from: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4_096);
  const count = await from.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count)).split("\r\n", 1)[0] ?? "";
}

test.each([
  ["with a length", 'Content-Length: 100\r\n\r\n{"by":'],
  ["in chunks", 'Transfer-Encoding: chunked\r\n\r\n6\r\n{"by":\r\n'],
])("on a socket, half a body %s is 408 after its time", async (_, rest) => {
  const server = await serve();
  const socket = listen(server);
  const connection = await socket.connect();
  const arrived = socket.nextRequest();
  await send(connection, post + rest);
  await arrived;
  await server.clock.advance("30s");
  expect(await readStatus(connection)).toContain(" 408 ");
});

test("on a socket, a client that leaves half way leaves nothing behind", async () => {
  const server = await serve();
  const socket = listen(server);
  const connection = await socket.connect();
  const arrived = socket.nextRequest();
  await send(connection, `${post}Content-Length: 100\r\n\r\n{"by":`);
  await arrived;
  connection.close();
  const next = await socket.connect();
  await send(next, `${post}Content-Length: 2\r\n\r\n{}`);
  expect(await readStatus(next)).toContain(" 200 ");
  expect((await server.get("/actors/counter/c")).body.version).toBe(1);
});

// Would catch texts that one reader of the log keeps, another stores as something else, and a third refuses.
test.each([
  '"\\ud800"',
  '["a", {"b": "x\\uDFFFy"}]',
  '{"\\udead": 1}',
  '"\\ude00\\ud83d"',
  '{"a": {"b": ["\\ud83d"]}}',
])(
  "a body with half a character, %s, is 400",
  async (body) => {
    const server = await serve();
    expectProblem(await server.post("/actors/echo/e/say", body), 400, "malformed");
  },
);

test.each([
  '"\\ud83d\\ude00"',
  '"\\uD83D\\uDE00 is whole"',
  '"\\\\ud800 is text"',
  '{"\\ud83d\\ude00": "\\ud7ff\\ue000"}',
])(
  "a body with whole characters, %s, is taken as it is",
  async (body) => {
    const server = await serve();
    const { status, body: answer } = await server.post("/actors/echo/e/say", body);
    expect(status).toBe(200);
    expect(answer.reply.input).toEqual(JSON.parse(body));
  },
);
