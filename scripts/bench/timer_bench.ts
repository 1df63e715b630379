import { z } from "zod";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { actor, command } from "../../src/mod.ts";
import { type TimerRow, timerRow } from "../../src/store/timers.ts";
import { type Changes, withBareStore } from "./bare_store.ts";
import { inTemporaryFolder, percentile } from "./measure.ts";
import { count, mebibytes, ms, percent, type Show } from "./table.ts";

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
export async function benchTimers(isQuick: boolean, show: Show): Promise<void> {
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

    show(
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
    const end = shard.wakeups.committed.subscribe(({ upTo }) => {
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
function measureRaw(folder: string, total: number): Promise<number> {
  const rows: TimerRow[] = Array.from({ length: total }, (_, n) =>
    timerRow({
      ...{ actor: `alarm/a${n % 100}`, name: `t${n}`, id: `id-${n}`, dueAt: n, causationId: `c${n}` },
      request: { type: "alarm", key: "a", command: "ring", input: { dueAt: n } },
      ...{ correlationId: `c${n}`, traceparent: null },
    }));
  return withBareStore(folder, async (store) => {
    for (let n = 0; n < total; n += PER_TURN) {
      await store.append(store.next({ timers: rows.slice(n, n + PER_TURN) }));
    }
    const startedAt = performance.now();
    for (let n = 0; n < total; n += PER_TURN) {
      const fired = firedChanges(rows.slice(n, n + PER_TURN), n);
      await store.append(store.next(fired));
    }
    return total / ((performance.now() - startedAt) / 1_000);
  });
}

/** What timers leave that fire: each is gone, its message is handled, and has led to an event. */
function firedChanges(timers: readonly TimerRow[], from: number): Changes {
  return {
    timersGone: timers.map(([actor, name]) => [actor, name]),
    messages: timers.map(([actor, , id], at) => [
      ...[from + at + 1, id, actor, "ring", `{"dueAt":${from}}`, null, id, null, null, null] as const,
      ...["done", 0, 1, 1, null, 1, `{"status":"done"}`, "[]", null, null] as const,
    ]),
    events: timers.map(([actor, , id], at) => {
      const position = from + at + 1;
      return [position, actor, position, "Rang", 1, `{"dueAt":1}`, 1, id, null, null];
    }),
  };
}
