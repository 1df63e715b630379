import { expect, test } from "vitest";
import { type ServerProcess, start, temporaryFolder } from "./support.ts";

const statusesIn = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
const get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** That a server still does what it is for. */
async function expectAlive(server: ServerProcess): Promise<void> {
  const response = await server.post("/actors/counter/alive/increment");
  expect(response.status).toBe(200);
  await response.body?.cancel();
}

test.each([
  ["garbage", "\x00\x01\x02\xff\xfe garbage\r\n\r\n"],
  ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n"],
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["no version", "GET /\r\n\r\n"],
  ["a bad header", "GET /health/live HTTP/1.1\r\nHost localhost\r\n\r\n"],
  ["a header with a line break", "GET /health/live HTTP/1.1\r\nHost: localhost\r\n X: y\r\n\r\n"],
  [
    "two lengths",
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
  ],
  [
    "a negative length",
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
  ],
  [
    "a chunk of nonsense",
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
  ],
  [
    "a header of a megabyte",
    `GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(1_048_576)}\r\n\r\n`,
  ],
  [
    "ten thousand headers",
    `GET /health/live HTTP/1.1\r\nHost: localhost\r\n${"X: y\r\n".repeat(10_000)}\r\n`,
  ],
  ["a path of a megabyte", `GET /${"x".repeat(1_048_576)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
])("%s is refused, and the server goes on", async (_, bytes) => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const wire = await server.connect();
  await wire.send(bytes).catch(() => {}); // it may hang up in the midst of it
  // Answered or hung up on; a client that has said nothing whole may also be left waiting.
  await expectAlive(server);
  await wire.closeWrite();
  const text = await wire.receive();
  for (const status of statusesIn(text)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
  expect(text).not.toMatch(/\.ts:\d/);
  await expectAlive(server);
});

test("requests sent all at once are answered one after the other, and what follows them does no harm", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const wire = await server.connect();
  const increment = "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\n" +
    "Content-Type: application/json\r\nContent-Length: 8\r\n\r\n" + '{"by":1}';
  await wire.send(increment.repeat(50) + get + "\x00\x01garbage\r\n\r\n");
  const text = await wire.receive();
  const statuses = statusesIn(text);
  expect(statuses.slice(0, 51)).toEqual(Array(51).fill(200));
  for (const status of statuses.slice(51)) expect(status).toBe(400);
  const values = [...text.matchAll(/"reply":\{"value":(\d+)\}/g)].map(([, value]) => Number(value));
  expect(values).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  await expectAlive(server);
});

test("bodies that are smuggled into one another are not taken for requests", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const wire = await server.connect();
  const inner = "POST /actors/counter/smuggled/increment HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await wire.send(
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${inner.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
  );
  wire.close();
  await expectAlive(server);
  expect((await fetch(`${server.url}/actors/counter/smuggled`)).status).toBe(404);
});

test("clients that leave in the midst of everything leave nothing behind", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const head =
    "POST /actors/counter/half/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  const requests = [
    "",
    "G",
    "GET /events HTT",
    `${head}Content-Length: 100\r\n\r\n{"by"`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{`,
  ];
  const live = "GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
  for (const request of [...requests, live, ...requests, live]) {
    const wire = await server.connect();
    await wire.send(request);
    wire.close();
  }
  await expectAlive(server);
  expect((await fetch(`${server.url}/actors/counter/half`)).status).toBe(404);
  expect(await server.stop()).toEqual({ code: 0, stderr: "" });
});

test("a body over the limit is 413 on the wire, with its length and in chunks", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const head =
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  const size = 1_048_577;
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  for (
    const body of [
      `Content-Length: ${size}\r\n\r\n`, // refused before any of it comes
      `Content-Length: ${size}\r\n\r\n${"x".repeat(size)}`,
      `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}0\r\n\r\n`,
    ]
  ) {
    const wire = await server.connect();
    await wire.send(head + body).catch(() => {}); // it may hang up before the end
    const text = await wire.receive((text) => /\r\n\r\n.*\}/s.test(text));
    expect(statusesIn(text)).toEqual([413]);
    wire.close();
  }
  await expectAlive(server);
});

test("a page elsewhere whose name points here gets nothing", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  for (
    const host of [
      "Host: evil.example\r\n",
      "Host: localhost\r\nHost: evil.example\r\n",
      `Host: evil.example:${server.port}\r\n`,
    ]
  ) {
    const wire = await server.connect();
    await wire.send(`GET /events HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    const [status] = statusesIn(await wire.receive());
    expect([400, 403]).toContain(status);
  }
  const absolute = await server.connect();
  await absolute.send(
    `GET http://evil.example/events HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
  );
  expect(statusesIn(await absolute.receive())).toEqual([403]);
});

test("a live stream on the wire comes in frames, and goes on where it was cut", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const open = async (more: string) => {
    const wire = await server.connect();
    await wire.send(`GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${more}\r\n`);
    return wire;
  };
  const first = await open("");
  for (let n = 0; n < 3; n++) await server.post("/actors/counter/c/increment");
  const seen = await first.receive((text) => text.includes("id: 0.2\n") && text.endsWith("\n\n\r\n"));
  first.close();
  await server.post("/actors/counter/c/increment");
  const ids = [...seen.matchAll(/^id: (0\.\d+)$/gm)].map(([, id]) => id);
  const second = await open(`Last-Event-ID: ${ids.at(-1)}\r\n`);
  const rest = await second.receive((text) => text.includes("id: 0.4\n"));
  ids.push(...[...rest.matchAll(/^id: (0\.\d+)$/gm)].map(([, id]) => id));
  expect(ids).toEqual(["0.1", "0.2", "0.3", "0.4"]);
});
