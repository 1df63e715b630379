/**
 * What happens when more arrives than one thread can do, on a time of its own: a thread takes all that has arrived,
 * does it request by request, and then looks again. Nothing here depends on how fast the machine is.
 */
import { Hono } from "hono";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import { createApp } from "../../src/http/app.ts";
import { loadGate, type ThreadTime } from "../../src/http/load_gate.ts";
import { problem } from "../../src/http/problem.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { ledger } from "../support/actors.ts";
import { World } from "../support/world.ts";

const { overloadMsMax } = defaultLimits;
/** What saying no costs. */
const REFUSAL_MS = 0.1;

/** What became of one request. */
interface Answered {
  readonly arrivedAt: number;
  readonly latencyMs: number;
  readonly response: Response;
}

/** A thread that serves requests, one after the other, behind a gate or none. */
class Thread {
  #now = 0;
  readonly #afterThis: (() => void)[] = [];
  readonly #app = new Hono();

  constructor(serviceMs: number, { isGated = true, lateMsMax = overloadMsMax } = {}) {
    const time: ThreadTime = {
      now: () => this.#now,
      afterThis: (callback) => void this.#afterThis.push(callback),
    };
    this.#app.use(async (_, next) => {
      this.#now += REFUSAL_MS;
      await next();
    });
    if (isGated) this.#app.use(loadGate(lateMsMax, time));
    this.#app.onError((error) => problem(error));
    this.#app.get("*", (c) => {
      this.#now += serviceMs - REFUSAL_MS;
      return c.text("done");
    });
  }

  /** @param arrivals Times of requests, in order, beginning with the time it is now or later. */
  async serve(arrivals: readonly number[], path = "/"): Promise<Answered[]> {
    const answered: Answered[] = [];
    for (let next = 0; next < arrivals.length;) {
      this.#now = Math.max(this.#now, arrivals[next] ?? 0);
      const moment: number[] = [];
      for (let at = arrivals[next]; at !== undefined && at <= this.#now; at = arrivals[next]) {
        moment.push(at);
        next++;
      }
      answered.push(...await this.#serveTogether(moment, path));
    }
    return answered;
  }

  /** So many requests that have arrived together, now. */
  async burst(count: number, path = "/"): Promise<Response[]> {
    const answered = await this.serve(Array(count).fill(this.#now), path);
    return answered.map(({ response }) => response);
  }

  async #serveTogether(moment: readonly number[], path: string): Promise<Answered[]> {
    const answers = await Promise.all(moment.map(async (arrivedAt) => {
      const asked = this.#app.request(path);
      // All of it was done at once: a request here awaits nothing but promises that are fulfilled.
      const latencyMs = this.#now - arrivedAt;
      return { arrivedAt, latencyMs, response: await asked };
    }));
    for (const callback of this.#afterThis.splice(0)) callback();
    return answers;
  }
}

/** Times of requests that come by chance, so many of them a second on average. */
function arrivals(perSecond: number, from: number, to: number, seed = 1): number[] {
  const { random } = seededIds(seed);
  const times: number[] = [];
  for (let at = from; at < to; at += -Math.log(1 - random()) * 1_000 / perSecond) times.push(at);
  return times;
}

const isRefused = ({ response }: Answered) => response.status === 429;
const latest = (answered: readonly Answered[]) => Math.max(...answered.map(({ latencyMs }) => latencyMs));

describe("three times more than can be done, for half a minute", () => {
  const SERVICE_MS = 5;
  const CALM_PER_SECOND = 100; // half of what can be done
  const calm = arrivals(CALM_PER_SECOND, 0, 10_000, 1);
  const overload = arrivals(600, 10_000, 40_000, 2);
  const after = arrivals(CALM_PER_SECOND, 40_000, 60_000, 3);

  async function run(isGated: boolean) {
    const all = await new Thread(SERVICE_MS, { isGated }).serve([...calm, ...overload, ...after]);
    const within = (from: number, to: number) =>
      all.filter(({ arrivedAt }) => arrivedAt >= from && arrivedAt < to);
    return { all, within };
  }

  const gated = run(true);

  test("who is accepted is answered soon, and as many are as without the gate", async () => {
    const { all, within } = await gated;
    const accepted = all.filter((one) => !isRefused(one));
    // The second that a burst may last, and what has arrived meanwhile.
    expect(latest(accepted)).toBeLessThan(1_000 + 2 * overloadMsMax);
    expect(latest(accepted.filter(({ arrivedAt }) => arrivedAt > 12_500))).toBeLessThan(2.5 * overloadMsMax);
    const during = within(10_000, 40_000).filter((one) => !isRefused(one)).length;
    expect(during).toBeGreaterThan(0.85 * 30_000 / SERVICE_MS);
  });

  test("who is not is told at once, in full, and when to come again", async () => {
    const { all } = await gated;
    const refused = all.filter(isRefused);
    expect(refused.length).toBeGreaterThan(overload.length / 2);
    for (const { response } of refused) {
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    }
    expect(await refused[0]?.response.json()).toMatchObject({ status: 429, code: "overloaded" });
    // It has waited no longer than those who are accepted.
    expect(latest(refused)).toBeLessThan(1_000 + 2 * overloadMsMax);
  });

  test("before it nobody is refused, and half a second after it nobody is any more", async () => {
    const { within } = await gated;
    expect(within(0, 10_000).filter(isRefused)).toEqual([]);
    const later = within(40_500, 60_000);
    expect(later.length).toBeGreaterThan(1_000);
    expect(later.filter(isRefused)).toEqual([]);
    expect(latest(later)).toBeLessThan(20 * SERVICE_MS);
  });

  // What the bounds above are worth.
  test("without the gate the last would wait for all of them", async () => {
    const { all } = await run(false);
    expect(all.filter(isRefused)).toEqual([]);
    expect(latest(all)).toBeGreaterThan(30_000);
  });
});

test.each([1.2, 2, 5, 20])("%s times too much is served as soon as three times", async (ratio) => {
  const thread = new Thread(5);
  const all = await thread.serve(arrivals(200 * ratio, 0, 6_000, 4));
  const accepted = all.filter((one) => !isRefused(one));
  expect(latest(accepted)).toBeLessThan(1_000 + 3 * overloadMsMax);
  // The rest of the time goes to saying no.
  const refusalMs = (all.length - accepted.length) * REFUSAL_MS;
  expect(accepted.length * 5).toBeGreaterThan(0.85 * (6_000 - refusalMs));
});

describe("the gate, on both sides of its limits", () => {
  /** Moments one after the other, of so many requests of 10 ms each. @returns How many of the last are refused. */
  async function refusedAfter(moments: number, requests: number): Promise<number> {
    const thread = new Thread(10, { lateMsMax: 100 });
    for (let n = 0; n < moments; n++) await thread.burst(requests);
    return (await thread.burst(requests)).filter(({ status }) => status === 429).length;
  }

  test("moments of just the length they may have are never too long", async () => {
    expect(await refusedAfter(100, 10)).toBe(0);
  });

  test("longer ones are, once they have followed each other for a second", async () => {
    expect(await refusedAfter(4, 20)).toBe(0); // begun 800 ms after the first
    expect(await refusedAfter(5, 20)).toBeGreaterThan(0); // a second, and what is behind that waits
  });

  test("one short moment between them begins the second anew", async () => {
    const thread = new Thread(10, { lateMsMax: 100 });
    for (let n = 0; n < 20; n++) {
      for (const requests of [20, 20, 20, 1]) {
        for (const { status } of await thread.burst(requests)) expect(status).toBe(200);
      }
    }
  });

  test("what says whether the server lives is never refused", async () => {
    const thread = new Thread(10, { lateMsMax: 100 });
    for (let n = 0; n < 10; n++) await thread.burst(30);
    for (const path of ["/health/live", "/health/ready", "/metrics"]) {
      for (const { status } of await thread.burst(30, path)) expect(status).toBe(200);
    }
    expect((await thread.burst(30)).some(({ status }) => status === 429)).toBe(true);
  });
});

// Would catch a server whose app has no gate, or one of other limits.
test("an app that sheds load has the gate, by the time of its thread and the limit of its runtime", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  onTestFinished(() => void vi.restoreAllMocks());
  const { runtime } = await World.start({ modules: [ledger], limits: { overloadMsMax: 7 } });
  onTestFinished(() => runtime.stop());
  const statuses = async (shedsLoad: boolean) => {
    const app = createApp(runtime, { shedsLoad });
    const all: number[] = [];
    for (let moment = 0; moment < 2; moment++) {
      const first = app.request("http://localhost/timers");
      now += moment === 0 ? 8 : 1_100;
      const second = app.request("http://localhost/timers");
      for (const answer of [first, second]) all.push((await answer).status);
      await new Promise((resolve) => setTimeout(resolve, 0)); // the end of the moment, which was asked for before
    }
    return all;
  };
  expect(await statuses(false)).toEqual([200, 200, 200, 200]);
  expect(await statuses(true)).toEqual([200, 200, 200, 429]);
});
