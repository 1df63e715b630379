import { expect, test } from "vitest";
import { ServerProcess, start, temporaryFolder } from "./support.ts";

test("a server says in one line of JSON where it is, and answers there", async () => {
  const server = new ServerProcess({ FOLIO_DATA: temporaryFolder() });
  const ready = await server.logged("Folio is ready");
  expect(ready).toMatchObject({
    level: "info",
    shards: 1,
    modules: expect.stringContaining("counter,account"),
  });
  expect(ready.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  server.url = ready.url ?? "";
  const response = await server.post("/actors/counter/clicks/increment", { by: 2 });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ actor: "counter/clicks", version: 1, reply: { value: 2 } });
  expect(await server.json("/health/ready")).toMatchObject({ status: "ready" });
});

test.each(["1", "4"])(
  "SIGTERM: what was acknowledged is there after a restart, %s shards",
  async (shards) => {
    const env = { FOLIO_DATA: temporaryFolder(), FOLIO_SHARDS: shards };
    const keys = ["a", "b", "c", "d"];
    const first = await start(env);
    const accepted = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const path = `/actors/counter/${keys[n % 4]}/increment`;
        const response = await first.post(path, {}, { prefer: "respond-async", "idempotency-key": `m${n}` });
        await response.body?.cancel();
        return response.status;
      }),
    );
    expect(accepted).toEqual(Array(200).fill(202));
    expect(await first.stop()).toEqual({ code: 0, stderr: "" });

    const second = await start(env);
    for (const key of keys) {
      // In order behind whatever had not been handled yet.
      const { reply } = await (await second.post(`/actors/counter/${key}/increment`)).json();
      expect(reply).toEqual({ value: 51 });
    }
    expect((await second.json("/messages/m7")).status).toBe("done");
  },
);

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s: half a request is told to come again, streams end",
  async (signal) => {
    const server = await start({ FOLIO_DATA: temporaryFolder() });
    const stream = await fetch(`${server.url}/events`, { headers: { accept: "text/event-stream" } });
    const idle = await server.connect();
    const wire = await server.connect();
    const body = JSON.stringify({ by: 3 });
    await wire.send(
      `POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 3)}`,
    );
    await server.post("/actors/counter/other/increment"); // by now the half request has arrived, too
    server.kill(signal);
    await server.logged("Draining");
    await wire.send(body.slice(3));
    // It came too late: it is told to come again, not that there was something wrong with it.
    const answer = await wire.receive((text) => text.includes("\r\n\r\n"));
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/^retry-after: \d+\r$/im);
    expect(await stream.text()).toContain("counter/other");
    wire.close();
    idle.close();
    expect(await server.outcome()).toEqual({ code: 0, stderr: "" });
  },
);

// Would catch an end that waits for clients, which need never come to one.
test("SIGTERM: a client that never ends its request does not keep the process from ending", async () => {
  const server = await start({ FOLIO_DATA: temporaryFolder() });
  const wire = await server.connect();
  await wire.send(
    "POST /actors/counter/c/increment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
      "Content-Length: 100\r\n\r\n{",
  );
  await server.post("/actors/counter/other/increment");
  const startedAt = performance.now();
  expect((await server.stop()).code).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(12_000);
});

test("a second process on the same folder is refused in one line that names the first", async () => {
  const env = { FOLIO_DATA: temporaryFolder() };
  const first = await start(env);
  const second = new ServerProcess(env);
  const { code, stderr } = await second.outcome();
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(
      `^Cannot use the folder ${env.FOLIO_DATA}: it is held by process ${first.pid}, since \\S+\\n$`,
    ),
  );
  // The first one does not even notice.
  expect((await first.post("/actors/counter/c/increment")).status).toBe(200);
});

test("after SIGKILL another one starts at once, and what was acknowledged is there", async () => {
  const env = { FOLIO_DATA: temporaryFolder(), FOLIO_SHARDS: "4" };
  const first = await start(env);
  for (const key of ["a", "b", "c", "d"]) {
    expect((await first.post(`/actors/counter/${key}/increment`, { by: 5 })).status).toBe(200);
  }
  first.kill("SIGKILL");
  await first.ended;
  const second = await start(env);
  for (const key of ["a", "b", "c", "d"]) {
    expect((await second.json(`/actors/counter/${key}`)).state).toEqual({ value: 5 });
  }
});

const slow = `
import { activity, actor, command, ProcessStoppingError } from "folio";
import { z } from "zod";

const work = activity("work", {
  input: z.object({}),
  output: z.object({ attempt: z.int() }),
  retry: { attemptsMax: 1 },
  run: (_, { signal, attempt }) => attempt > 1 ? Promise.resolve({ attempt }) : new Promise((_, reject) =>
    signal.addEventListener("abort", () => {
      console.log(JSON.stringify({ message: "told", isStop: signal.reason instanceof ProcessStoppingError }));
      reject(signal.reason);
    })),
});

export default [
  work,
  actor("boss", {
    initialState: () => ({}),
    events: { Told: z.object({}) },
    evolve: { Told: (state) => state },
    commands: {
      ask: command(z.object({}), (turn) => ({ id: turn.perform(work, {}, { onDone: "told" }) })),
      told: command(z.object({ output: work.output }), (turn) => turn.emit("Told", {})),
    },
  }),
];
`;

// Would catch a deploy that costs a long activity one of its attempts: with one attempt, its only one.
test("SIGTERM: an activity that runs is told to stop, and is made again by the next process", async () => {
  const modules = `${temporaryFolder()}/mod.ts`;
  Deno.writeTextFileSync(modules, slow);
  const env = { FOLIO_DATA: temporaryFolder(), FOLIO_MODULES: modules };
  const first = await start(env);
  const { reply: { id } } = await (await first.post("/actors/boss/b/ask")).json();
  expect(await first.json(`/messages/${id}`)).toMatchObject({ status: "running", attempts: 1 });
  first.kill("SIGTERM");
  expect(await first.logged("told")).toMatchObject({ isStop: true });
  await first.logged("Stopped"); // in time: it did as it was told
  expect(await first.outcome()).toEqual({ code: 0, stderr: "" });

  const second = await start(env);
  const live = await fetch(`${second.url}/actors/boss/b/events`, {
    headers: { accept: "text/event-stream" },
  });
  for await (const text of live.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    if (text.includes("Told")) break;
  }
  expect(await second.json(`/messages/${id}`)).toMatchObject({
    status: "done",
    attempts: 2,
    reply: { attempt: 2 },
    failures: [{ attempt: 1, isCounted: false }],
  });
});
