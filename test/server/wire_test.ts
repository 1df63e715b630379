import { expect, onTestFinished, test } from "vitest";
import { type ServerProcess, start, temporaryFolder } from "./support.ts";

const statusesIn = (text: string) =>
  [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
const get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
const closing = get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");

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
  const text = await Promise.race([
    wire.receive(),
    expectAlive(server).then(() => wire.receive((t) => t !== "")),
  ]);
  for (const status of statusesIn(text)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
  expect(text).not.toMatch(/\.ts:\d/);
  await expectAlive(server);
});
void get;
void closing;
void onTestFinished;
