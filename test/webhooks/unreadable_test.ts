import { expect, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { MemoryDatabase } from "../support/memory_database.ts";
import { note } from "./support.ts";

// Would catch readings, and what remembers them, that become more with each event while the store cannot be read.
test("webhooks that cannot be read are tried once a second, however many events they have had", async () => {
  const clock = new VirtualClock();
  const shard = new MemoryDatabase();
  const failures: number[] = [];
  await using runtime = await createRuntime({
    modules: [note],
    data: (name) => Promise.resolve(name === "shard-0" ? shard : new MemoryDatabase()),
    clock,
    observe: false,
    log: (_level, message) => {
      if (message === "Webhooks cannot be read yet") failures.push(clock.now());
    },
    webhooks: { allowPrivate: true },
  });
  const { webhook: { id } } = await runtime.webhooks.register({
    url: "https://127.0.0.1/hook",
    source: "test",
    filters: {},
  });
  Object.assign(shard, { readFailures: Infinity, failingReads: /webhook0/ });
  for (const change of ["pause", "resume", "pause", "resume", "pause"] as const) {
    await runtime.webhooks[change](id).catch(() => {});
  }
  await clock.advance("10s");
  const since = clock.now() - 5_000;
  expect(failures.filter((at) => at > since)).toHaveLength(5);
  shard.readFailures = 0;
  await clock.advance("2s");
  expect(runtime.webhooks.get(id)).toMatchObject({ status: "paused" });
});
