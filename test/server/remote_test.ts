/** The real server on a libSQL server over HTTP: `FOLIO_DATA=http://…`. */
import { expect, test } from "vitest";
import { startHranaServer } from "../store/databases.ts";
import { ServerProcess, start } from "./support.ts";

const withKey = (id: string) => ({ "idempotency-key": id });

test("a server on a libSQL server serves, and finds all that it acknowledged after it was killed", async () => {
  const store = await startHranaServer({ token: "sesame" });
  const env = { FOLIO_DATA: store.url, FOLIO_DATA_TOKEN: "sesame" };
  const first = await start(env);
  await (await first.post("/actors/account/alice/open", { owner: "Alice" })).body?.cancel();
  const answers = await Promise.all(
    Array.from(
      { length: 20 },
      (_, n) => first.post("/actors/account/alice/deposit", { amount: 5 }, withKey(`d${n}`)),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  const token = answers.at(-1)?.headers.get("folio-position") ?? "";
  for (const answer of answers) await answer.body?.cancel();
  const balances = await fetch(`${first.url}/projections/balances/all`, {
    headers: { "folio-at-least": token },
  });
  expect(await balances.json()).toMatchObject({ rows: [{ account: "alice", owner: "Alice", balance: 100 }] });
  first.kill("SIGKILL");
  await first.ended;

  const second = await start(env);
  const again = await second.post("/actors/account/alice/deposit", { amount: 5 }, withKey("d7"));
  expect(again.status).toBe(200);
  await again.body?.cancel();
  expect(await second.json("/actors/account/alice")).toMatchObject({ state: { balance: 100 }, version: 21 });
  expect(await second.stop()).toEqual({ code: 0, stderr: "" });
});

test("two servers on one store: the later one serves, the earlier one says 503 and is not ready", async () => {
  const store = await startHranaServer();
  const env = { FOLIO_DATA: `${store.url}/{shard}`, FOLIO_SHARDS: "2" };
  const first = await start(env);
  await (await first.post("/actors/counter/c/increment")).body?.cancel();
  const second = await start(env);
  const refused = await first.post("/actors/counter/c/increment");
  expect([refused.status, (await refused.json()).code]).toEqual([503, "not-owner"]);
  const served = await second.post("/actors/counter/c/increment");
  expect(await served.json()).toMatchObject({ version: 2, reply: { value: 2 } });
  const ready = await fetch(`${first.url}/health/ready`);
  await ready.body?.cancel();
  expect(ready.status).toBe(503);
});

test("a store that is not there, or wants another token, ends the start in one line", async () => {
  const store = await startHranaServer({ token: "sesame" });
  const gone = await startHranaServer();
  const { url: goneUrl } = gone;
  await gone.stop();
  const cases: [env: Record<string, string>, stderr: RegExp][] = [
    [{ FOLIO_DATA: goneUrl }, /^Cannot use http:\S+: Cannot reach http:\/\/127\.0\.0\.1:\d+: .*refused.*\n$/],
    [
      { FOLIO_DATA: store.url, FOLIO_DATA_TOKEN: "wrong" },
      /^Cannot use http:\S+: http:\S+ refuses the token \(HTTP 401\)\n$/,
    ],
  ];
  for (const [env, stderr] of cases) {
    expect(await new ServerProcess(env).outcome()).toEqual({
      code: 1,
      stderr: expect.stringMatching(stderr),
    });
  }
});
