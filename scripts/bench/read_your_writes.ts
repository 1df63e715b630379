import { account } from "../../actors/account.ts";
import { balances } from "../../actors/balances.ts";
import { counter } from "../../actors/counter.ts";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/http/app.ts";
import { inTemporaryFolder, percentile } from "./measure.ts";
import { count, ms, percent, type Show } from "./table.ts";

const WRITERS = 16;
/** Callers that keep the shards and the projector busy beside them. */
const OTHERS = 16;
/** Of the writes, one in so many is also looked for without its token. */
const LOOKED_FOR_EVERY = 10;

/** What became of writes that were each followed by a query with their token. */
export interface ReadWrites {
  readonly writes: number;
  /** Queries that saw their write. */
  readonly seen: number;
  /** Answers that were anything else: a stale row, none, or an error. */
  readonly wrong: readonly string[];
  /** Writes that a query without a token was asked for at once, and how many of those saw it. */
  readonly lookedFor: number;
  readonly seenAtOnce: number;
  /** Between a write's reply and the answer to its query, ascending, in milliseconds. */
  readonly waitsMs: readonly number[];
  /** Between a write's reply and the first answer without a token that shows it, ascending, in milliseconds. */
  readonly lagsMs: readonly number[];
}

/** Every query sees its write, 10,000 times, and how long that takes. */
export async function benchReadYourWrites(isQuick: boolean, show: Show): Promise<void> {
  const writes = isQuick ? 2_000 : 10_000;
  const rows: string[][] = [];
  const unseen: string[] = [];
  for (const shards of [1, 4]) {
    const { seen, wrong, lookedFor, seenAtOnce, waitsMs, lagsMs } = await readYourWrites({ shards, writes });
    rows.push([
      `${shards} shard${shards === 1 ? "" : "s"}`,
      `${count(seen)} of ${count(writes)}`,
      ms(percentile(waitsMs, 0.5)),
      ms(percentile(waitsMs, 0.99)),
      percent(seenAtOnce / lookedFor),
      ms(percentile(lagsMs, 0.5)),
      ms(percentile(lagsMs, 0.99)),
    ]);
    unseen.push(...wrong.slice(0, 5).map((each) => `NOT seen: ${each}`));
  }
  show(
    `Read your writes: ${WRITERS} writers, each write followed at once by a query with its token, ${OTHERS} others busy`,
    ["", "seen", "token p50", "token p99", "seen at once without", "lag p50", "lag p99"],
    rows,
    unseen.join("\n"),
  );
}

/** Writes to accounts and asks for their balances, through the HTTP app, until there have been so many writes. */
export function readYourWrites(options: { shards: number; writes: number }): Promise<ReadWrites> {
  return inTemporaryFolder(async (data) => {
    const { shards } = options;
    await using runtime = await createRuntime({ modules: [account, balances, counter], data, shards });
    let isOver = false;
    const others = Array.from({ length: OTHERS }, async (_, index) => {
      while (!isOver) await runtime.ask(counter.ref(`c${index}`).increment({ by: 1 }));
    });
    const result = await writeAndRead(runtime, options.writes).finally(() => isOver = true);
    await Promise.all(others);
    return result;
  });
}

async function writeAndRead(runtime: OpenRuntime, writes: number): Promise<ReadWrites> {
  const app = createApp(runtime);
  const [wrong, waitsMs, lagsMs]: [string[], number[], number[]] = [[], [], []];
  let [begun, lookedFor, seenAtOnce] = [0, 0, 0];

  const balanceOf = async (owner: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { "folio-at-least": token };
    const response = await app.request(`/projections/balances/by-owner?owner=${owner}`, { headers });
    const body = await response.json();
    return response.ok ? Number(body.rows[0]?.balance) : JSON.stringify(body);
  };
  const deposit = async (owner: string) => {
    const response = await app.request(`/actors/account/${owner}/deposit`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"amount":1}`,
    });
    await response.body?.cancel();
    return response.headers.get("folio-position") ?? "";
  };
  const writer = async (_: unknown, index: number) => {
    const owner = `w${index}`;
    await runtime.ask(account.ref(owner).open({ owner }));
    for (let balance = 1; begun < writes; balance++) {
      const isLookedFor = begun++ % LOOKED_FOR_EVERY === 0;
      const token = await deposit(owner);
      const repliedAt = performance.now();
      if (isLookedFor) {
        lookedFor++;
        let looks = 1;
        while (await balanceOf(owner) !== balance) looks++;
        if (looks === 1) seenAtOnce++;
        lagsMs.push(performance.now() - repliedAt);
      }
      const askedAt = performance.now();
      const found = await balanceOf(owner, token);
      waitsMs.push(performance.now() - askedAt);
      if (found !== balance) wrong.push(`${owner} has ${balance}, and the answer to ${token} was ${found}`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const ascending = (values: number[]) => values.sort((a, b) => a - b);
  return {
    writes,
    seen: waitsMs.length - wrong.length,
    wrong,
    lookedFor,
    seenAtOnce,
    waitsMs: ascending(waitsMs),
    lagsMs: ascending(lagsMs),
  };
}
