/** Small versions of `deno task soak`: the real server under load, over real sockets, for seconds. */
import { expect, test } from "vitest";
import { runReaders, runSlowReader } from "../../scripts/soak/readers.ts";
import { SoakServer } from "../../scripts/soak/server.ts";
import { growthOf, runSteady } from "../../scripts/soak/steady.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/http/app.ts";
import modules from "../../scripts/soak/modules.ts";

// Would catch a descriptor or a stream that is left behind by each request of some kind.
test("under a steady mixed load no descriptors are left, and nothing fails", async () => {
  await using server = await SoakServer.start();
  const steady = await runSteady(server, { requests: 2_000, connections: 8 });
  expect(steady.requests).toBeGreaterThanOrEqual(2_000);
  // Whether memory grows is for `memory_test.ts` to count, and shows after minutes in `deno task soak`.
  expect(growthOf(steady).filter((what) => !what.startsWith("memory"))).toEqual([]);
}, 60_000);

test("a thousand idle readers cost little, are told their news, and leave nothing behind", async () => {
  await using server = await SoakServer.start();
  const readers = await runReaders(server, 1_000);
  expect(readers).toMatchObject({ opened: 1_000, told: 20 });
  expect(readers.bytesEach).toBeLessThan(150_000);
  expect(readers.descriptors.after).toBeLessThanOrEqual(readers.descriptors.before + 200);
}, 60_000);

// Would catch memory being filled for a reader that never reads: sockets here, and buffers between here and there.
test("a reader that reads nothing is dropped, with most of what it asked for unread", async () => {
  const folder = Deno.makeTempDirSync();
  const runtime = await createRuntime({ modules, data: folder, limits: { readerStallMsMax: 1_500 } });
  const app = createApp(runtime);
  const http = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response(),
  }, app.fetch);
  const { port } = http.addr;
  const server = Object.create(SoakServer.prototype, {
    url: { value: `http://127.0.0.1:${port}` },
    usage: { value: () => ({ rssBytes: Deno.memoryUsage().rss, descriptors: 0 }) },
  }) as SoakServer;
  const slow = await runSlowReader(server, { megabytes: 40, waitMs: 4_000 });
  expect(slow).toMatchObject({ isDropped: true });
  expect(slow.bytes).toBeLessThan(30_000_000);
  await runtime.drain();
  await http.shutdown();
  await runtime[Symbol.asyncDispose]();
  Deno.removeSync(folder, { recursive: true });
}, 60_000);
