/**
 * Counts the objects of a runtime under a steady mixed load, on virtual time: prints a list of their numbers, one after
 * each round. A program of its own, so that they are all the objects there are.
 */
import { queryObjects } from "node:v8";
import { z } from "zod";
import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { counter } from "../../actors/counter.ts";
import { transfer } from "../../actors/transfer.ts";
import { activity, actor, command, createApp, createRuntime } from "../../src/mod.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

const [rounds = 0, requests = 0] = Deno.args.map(Number);
const KEYS = 20;

const echo = activity("echo", {
  input: z.object({ n: z.int() }),
  output: z.object({ n: z.int() }),
  run: ({ n }) => n % 3 === 0 ? Promise.reject(new Error("as planned")) : Promise.resolve({ n }),
  retry: { attemptsMax: 2 },
});
const asker = actor("asker", {
  initialState: () => ({ told: 0 }),
  events: { Told: z.object({}) },
  evolve: { Told: ({ told }) => ({ told: told + 1 }) },
  commands: {
    ask: command(echo.input, (turn, { n }) => {
      turn.schedule("later", { after: "1m" }, asker.ref(turn.key).told({}));
      return { id: turn.perform(echo, { n }, { key: turn.key, onDone: "told", onFailed: "told" }) };
    }),
    told: command(z.looseObject({}), (turn) => turn.emit("Told", {})),
  },
});

const clock = new VirtualClock();
const modules = [counter, account, balances, transfer, asker, echo];
const runtime = await createRuntime({
  modules,
  data: ":memory:",
  clock,
  ids: seededIds(1),
  shards: 2,
  limits: { handledRetentionMs: 3_600_000, alertEveryMs: 600_000 },
});
const app = createApp(runtime);
/** In a last round one object a request is kept, which shows that the count sees it. */
const held: object[] = [];

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<number> {
  const response = await app.request(`http://localhost${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

async function get(path: string): Promise<number> {
  const response = await app.request(`http://localhost${path}`);
  await response.arrayBuffer();
  return response.status;
}

/** Opens a live stream, reads its beginning, and leaves. */
async function look(path: string): Promise<number> {
  const headers = { accept: "text/event-stream" };
  const response = await app.request(`http://localhost${path}`, { headers });
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  return response.status;
}

const kinds: readonly ((key: string, n: number) => Promise<number>)[] = [
  (key) => post(`/actors/account/${key}/deposit`, { amount: 10 }),
  (key) => post(`/actors/account/${key}/withdraw`, { amount: 1_000_000 }),
  (key) => get(`/actors/account/${key}`),
  () => get("/projections/balances/top?limit=3"),
  (key) => post(`/actors/counter/${key}/increment`, {}, { prefer: "respond-async" }),
  (key, n) => post(`/actors/counter/${key}/increment`, {}, { "idempotency-key": `k${n}` }),
  (key, n) => post(`/actors/counter/${key}/increment`, {}, { "folio-delay": `${1 + n % 60}s` }),
  (key, n) => post(`/sagas/transfer/t${n}`, { from: key, to: "a0", amount: 1 }),
  (key, n) => post(`/actors/asker/${key}/ask`, { n }),
  (key) => look(`/actors/account/${key}/events`),
  () => look("/events?after=now"),
  (key, n) => get(`/messages/k${n - n % kinds.length + 5}?actor=counter/${key}`),
  (_, n) => get(`/actors/counter/nobody-${n}`),
  (_, n) => post(`/actors/counter/c/increment`, n % 2 ? "{" : { by: "much" }),
];

for (let key = 0; key < KEYS; key++) await post(`/actors/account/a${key}/open`, { owner: `o${key}` });
const counts: number[] = [];
const statuses = new Set<number>();
for (let n = 0; n < (rounds + 1) * requests;) {
  for (const end = n + requests; n < end; n++) {
    if (n >= rounds * requests) held.push({ n });
    statuses.add(await kinds[n % kinds.length]?.(`a${n % KEYS}`, n) ?? 0);
  }
  // All that follows comes to its end: retries, timers, answers, passivation, what is forgotten after an hour.
  await clock.advance("2h");
  counts.push(queryObjects(Object, { format: "count" }));
}
console.log(
  JSON.stringify({ counts, statuses: [...statuses].sort(), pending: clock.pending, held: held.length }),
);
await runtime[Symbol.asyncDispose]();
