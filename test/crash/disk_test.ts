/** Disks that are full or may not be written to: what was acknowledged stays, the rest is refused in words. */
import { expect, onTestFinished, test } from "vitest";
import { ServerProcess, start, temporaryFolder } from "../server/support.ts";
import { blobs, faultsOf, mayMount, putsOf, putUntilRefused, smallDisk, system } from "./support.ts";

const canMount = await mayMount();
/** With a limit, in blocks of 512 bytes, beyond which no file of the process can grow: writing more fails. */
const underLimit = (blocks: number) => ["sh", "-c", `trap "" XFSZ; ulimit -S -f ${blocks}; exec "$0" "$@"`];

/** Every number that was acknowledged is there, in order, and none twice; others may be the one cut off. */
function expectKept(kept: readonly number[], acknowledged: readonly number[]): void {
  expect(kept).toEqual(expect.arrayContaining([...acknowledged]));
  expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
  expect(kept.length - acknowledged.length).toBeLessThanOrEqual(1);
}

// Would catch an acknowledgement of what could not be written, and a server that has to be started again.
test("a file that cannot grow: writes are refused, reads go on, and all is kept for the next start", async () => {
  const folder = temporaryFolder();
  const env = { FOLIO_DATA: folder, FOLIO_MODULES: blobs };
  const server = await start(env, { under: underLimit(2_048) });
  const { acknowledged, status, problem, retryAfter } = await putUntilRefused(server, 1, 20_000);
  expect(acknowledged.length).toBeGreaterThan(5);
  expect({ status, code: problem.code }).toEqual({ status: 503, code: "store-unavailable" });
  expect(Number(retryAfter)).toBeGreaterThan(0);
  expectKept(await putsOf(server), acknowledged);
  const state = await fetch(`${server.url}/health/live`);
  await state.body?.cancel();
  expect(state.status).toBe(200);
  server.kill("SIGKILL");
  await server.ended;

  expect(await faultsOf(folder)).toEqual([]);
  const next = await start(env);
  expectKept(await putsOf(next), acknowledged);
  expect((await next.post("/actors/blob/b/put", { n: 9_999, text: "x".repeat(20_000) })).status).toBe(200);
});

test("a file that could not grow and can again: the server goes on by itself", async () => {
  const folder = temporaryFolder();
  const server = await start({ FOLIO_DATA: folder, FOLIO_MODULES: blobs }, { under: underLimit(2_048) });
  const { acknowledged } = await putUntilRefused(server, 1, 20_000);
  expect(await system("prlimit", "--pid", String(server.pid), "--fsize=unlimited")).toBe(true);
  const more = [];
  for (let n = 9_000; more.length < 3 && n < 9_900; n++) {
    const response = await server.post("/actors/blob/b/put", { n, text: "more" });
    await response.text();
    if (response.status === 200) more.push(n);
  }
  expect(more).toHaveLength(3);
  const kept = await putsOf(server);
  expectKept(kept.filter((n) => n < 9_000), acknowledged);
  expect(kept.filter((n) => n >= 9_000)).toEqual(more);
  await server.stop();
  expect(await faultsOf(folder)).toEqual([]);
});

test.skipIf(!canMount)(
  "a full disk (needs the right to mount): the same, and it goes on when there is room",
  async () => {
    const disk = await smallDisk("4m");
    Deno.writeFileSync(`${disk}/ballast`, new Uint8Array(1_500_000));
    const folder = `${disk}/data`;
    const server = await start({ FOLIO_DATA: folder, FOLIO_MODULES: blobs });
    const { acknowledged, status, problem } = await putUntilRefused(server, 1, 20_000);
    expect({ status, code: problem.code }).toEqual({ status: 503, code: "store-unavailable" });
    expectKept(await putsOf(server), acknowledged);
    Deno.removeSync(`${disk}/ballast`);
    let n = 9_000;
    for (; n < 9_900; n++) {
      const response = await server.post("/actors/blob/b/put", { n, text: "more" });
      await response.text();
      if (response.status === 200) break;
    }
    const kept = await putsOf(server);
    expectKept(kept.filter((n) => n < 9_000), acknowledged);
    expect(kept.at(-1)).toBe(n);
    await server.stop();
    expect(await faultsOf(folder)).toEqual([]);
  },
);

test.skipIf(!canMount)(
  "a disk that may only be read (needs the right to mount) is refused in one line",
  async () => {
    const disk = await smallDisk("8m");
    const env = { FOLIO_DATA: disk, FOLIO_MODULES: blobs };
    const first = await start(env);
    await (await first.post("/actors/blob/b/put", { n: 1, text: "x" })).body?.cancel();
    await first.stop();
    expect(await system("mount", "-o", "remount,ro", disk)).toBe(true);
    const { code, stderr } = await new ServerProcess(env).outcome();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^Cannot use the folder .*Read-only.*\n$/),
    });
  },
);

test.skipIf(!canMount)(
  "a shard's file that may only be read (needs the right to mount) is refused in one line",
  async () => {
    const folder = temporaryFolder();
    const env = { FOLIO_DATA: folder, FOLIO_MODULES: blobs };
    const first = await start(env);
    await (await first.post("/actors/blob/b/put", { n: 1, text: "x" })).body?.cancel();
    await first.stop();
    const file = `${folder}/shard-0.db`;
    expect(await system("mount", "--bind", file, file)).toBe(true);
    onTestFinished(async () => void await system("umount", file));
    expect(await system("mount", "-o", "remount,ro,bind", file)).toBe(true);
    const { code, stderr } = await new ServerProcess(env).outcome();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^Cannot (use|open) .*(readonly|read-only|unable to open).*\n$/),
    });
  },
);
