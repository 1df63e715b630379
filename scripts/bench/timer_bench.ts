import { z } from "zod";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { actor, command } from "../../src/mod.ts";
import type { Commit } from "../../src/store/commit.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { type TimerRow, timerRow } from "../../src/store/timers.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";
import { inTemporaryFolder, percentile } from "./measure.ts";
import { count, mebibytes, ms, percent, printTable } from "./table.ts";

const PER_TURN = 1_000;
/** So far away that none of them fires meanwhile. */
const FAR_MS = 86_400_000;

const alarm = actor("alarm", {
  initialState: () => ({ rung: 0 }),
  events: { Rang: z.object({ dueAt: z.int() }) },
  evolve: { Rang: (state) => ({ rung: state.rung + 1 }) },
  mailboxDepthMax: 100_000,
  commands: {
    set: command(
      z.object({ name: z.string(), from: z.int(), everyMs: z.number(), count: z.int() }),
      (turn, { name, from, everyMs, count }) => {
        for (let n = 0; n < count; n++) {
          const dueAt = Math.round(from + n * everyMs);
          const ring = { type: "alarm", key: turn.key, command: "ring", input: { dueAt } };
          turn.schedule(`${name}-${n}`, { at: dueAt }, ring);
        }
      },
    ),
    ring: command(z.object({ dueAt: z.int() }), (turn, input) => turn.emit("Rang", input)),
  },
});

/** How fast timers are set and fire, and how late, while very many are pending. */
export async function benchTimers(isQuick: boolean): Promise<void> {
  const pending = isQuick ? 100_000 : 1_000_000;
  const burst = isQuick ? 10_000 : 40_000;
  await inTemporaryFolder(async (folder) => {
    await using runtime = await createRuntime({ modules: [alarm], data: folder });
    const before = Deno.memoryUsage().rss;
    const setAt = performance.now();
    await setTimers(runtime, "far", pending, Date.now() + FAR_MS, 1);
    const setPerSecond = pending / ((performance.now() - setAt) / 1_000);

    // Two thousand a second for some seconds, set beforehand.
    const spread = isQuick ? 6_000 : 20_000;
    const from = Date.now() + 3_000;
    await setTimers(runtime, "near", spread, from, 0.5);
    const lateMs = (await rings(runtime, spread)).map(({ at, dueAt }) => at - dueAt).sort((a, b) => a - b);

    const moment = Date.now() + 3_000 + burst / 10;
    await setTimers(runtime, "burst", burst, moment, 0);
    const rung = await rings(runtime, burst);
    const firedPerSecond = burst / ((Math.max(...rung.map(({ seenAt }) => seenAt)) - moment) / 1_000);
    const rawPerSecond = await inTemporaryFolder((other) => measureRaw(other, burst));

    printTable(
      `Timers, with ${count(pending)} pending`,
      ["", "measured", "bare commits", "ratio"],
      [
        ["set", `${count(setPerSecond)}/s`, "", ""],
        [
          "fired, all due at one moment",
          `${count(firedPerSecond)}/s`,
          `${count(rawPerSecond)}/s`,
          percent(firedPerSecond / rawPerSecond),
        ],
        ["late by, p50, 2,000/s", ms(percentile(lateMs, 0.5)), "", ""],
        [
          "late by, p99, 2,000/s",
          ms(percentile(lateMs, 0.99)),
          "",
          percentile(lateMs, 0.99) < 50 ? "< 50 ms" : "NOT < 50 ms",
        ],
        ["memory since before they were set", mebibytes(Deno.memoryUsage().rss - before), "", ""],
      ],
    );
  });
}

async function setTimers(runtime: OpenRuntime, name: string, total: number, from: number, everyMs: number) {
  const turns = Array.from({ length: Math.ceil(total / PER_TURN) }, (_, turn) => turn);
  while (turns.length > 0) {
    await Promise.all(
      turns.splice(0, 8).map((turn) => {
        const count = Math.min(PER_TURN, total - turn * PER_TURN);
        const input = { name, from: Math.round(from + turn * PER_TURN * everyMs), everyMs, count };
        return runtime.ask(alarm.ref(`a${turn}`).set(input));
      }),
    );
  }
}

interface Ring {
  readonly dueAt: number;
  /** Time of its turn. */
  readonly at: number;
  /** When it was on disk. */
  readonly seenAt: number;
}

/** The next so many rings, from now on. */
async function rings(runtime: OpenRuntime, wanted: number): Promise<Ring[]> {
  const [shard] = runtime.shards;
  if (!shard) return [];
  let after = runtime.formatToken(runtime.positions());
  const seen: { upTo: number; seenAt: number }[] = [];
  const start = shard.durablePosition;
  await new Promise<void>((resolve) => {
    const end = shard.committed.subscribe(({ upTo }) => {
      seen.push({ upTo, seenAt: Date.now() });
      if (upTo - start < wanted) return;
      end();
      resolve();
    });
  });
  const found: Ring[] = [];
  while (found.length < wanted) {
    const page = await runtime.readLog({ after: runtime.parseToken(after), limit: 1_000 });
    for (const event of page.events) {
      const seenAt = seen.find(({ upTo }) => upTo >= event.position)?.seenAt ?? NaN;
      found.push({ dueAt: (event.payload as { dueAt: number }).dueAt, at: event.at, seenAt });
    }
    after = runtime.formatToken(page.next);
  }
  return found;
}

/** The rows of so many timers that fire, committed a thousand at a time with nothing else around them. */
async function measureRaw(folder: string, total: number): Promise<number> {
  const url = `file:${folder}/shard-0.db`;
  const database = await openWorkerDatabase({ url });
  try {
    const { engine } = await openShardStore(database, { name: url, shard: 0, shards: 1, isFile: true });
    const { epoch } = await engine.acquire();
    const none = {
      events: [],
      messages: [],
      outbox: [],
      relayed: [],
      snapshots: [],
      checkpoints: [],
      timers: [],
      timersGone: [],
      prune: null,
    };
    const rows: TimerRow[] = Array.from({ length: total }, (_, n) =>
      timerRow({
        ...{ actor: `alarm/a${n % 100}`, name: `t${n}`, id: `id-${n}`, dueAt: n, causationId: `c${n}` },
        request: { type: "alarm", key: "a", command: "ring", input: { dueAt: n } },
        ...{ correlationId: `c${n}`, traceparent: null },
      }));
    let index = 0;
    const append = (changes: Partial<Commit>) => {
      const commit = { index: ++index, epoch, id: `c${index}`, at: Date.now(), ...none, ...changes };
      return engine.append(index - 1, commit);
    };
    for (let n = 0; n < total; n += PER_TURN) await append({ timers: rows.slice(n, n + PER_TURN) });
    const startedAt = performance.now();
    for (let n = 0; n < total; n += PER_TURN) {
      const part = rows.slice(n, n + PER_TURN);
      await append({
        timersGone: part.map(([actor, name]) => [actor, name]),
        messages: part.map(([actor, , id], at) => [
          ...[n + at + 1, id, actor, "ring", `{"dueAt":${n}}`, null, id, null, null, null] as const,
          ...["done", 0, 1, 1, null, 1, `{"status":"done"}`, "[]", null, null] as const,
        ]),
        events: part.map((
          [actor, , id],
          at,
        ) => [n + at + 1, actor, n + at + 1, "Rang", 1, `{"dueAt":1}`, 1, id, null, null]),
      });
    }
    return total / ((performance.now() - startedAt) / 1_000);
  } finally {
    await database.close();
  }
}
