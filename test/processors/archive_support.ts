/** Runtimes of boxes at any hour, and everything that can be read of them. */
import { systemClock } from "../../src/core/clock.ts";
import type { CreateRuntimeOptions, OpenRuntime } from "../../src/create_runtime.ts";
import { createApp } from "../../src/http/app.ts";
import { openRuntime } from "../scripts/support.ts";
import modules from "./boxes.ts";

const HOUR_MS = 3_600_000;

/** The time that runtimes are told; what waits, waits in real time. */
export class Hours {
  #now = Date.UTC(2026, 0, 1);
  readonly clock = { ...systemClock, now: () => this.#now };

  pass(hours: number): void {
    this.#now += hours * HOUR_MS;
  }

  passMs(ms: number): void {
    this.#now += ms;
  }

  open(data: string, options: Partial<CreateRuntimeOptions> = {}): Promise<OpenRuntime> {
    return openRuntime({ modules, data, clock: this.clock, performs: false, ...options });
  }
}

/** All that HTTP tells of the log and of some boxes, now and in the past, and the read model made anew. */
export async function readAll(runtime: OpenRuntime, keys: readonly string[]): Promise<unknown> {
  const app = createApp(runtime);
  const get = async (path: string) => {
    const response = await app.request(path);
    return { path, status: response.status, body: await response.json() };
  };
  const answers: unknown[] = [];
  const messageIds = new Set<string>();
  for (let after = "";;) {
    const page = await get(`/events?limit=50${after && `&after=${after}`}`);
    answers.push(page);
    for (const { messageId } of page.body.events) messageIds.add(messageId);
    if (page.body.events.length === 0) break;
    after = page.body.next;
  }
  answers.push(await get("/events?type=Closed&limit=100"), await get("/events?type=Put&limit=3"));
  for (const key of keys) {
    const now = await get(`/actors/box/${key}`);
    answers.push(now, await get(`/actors/box/${key}/events`), await get(`/actors/box/${key}/events?after=1`));
    for (let version = 1; version <= Math.min(now.body.version, 5); version++) {
      answers.push(await get(`/actors/box/${key}?version=${version}`));
    }
    answers.push(await get(`/actors/box/${key}?at=2026-01-01T00:30:00Z`));
  }
  for (const id of [...messageIds].slice(0, 20)) answers.push(await get(`/messages/${id}/trace`));
  return answers;
}

/** Rows of the read model, once it has seen all of the log. */
export async function rowsOf(runtime: OpenRuntime): Promise<unknown> {
  const wanted = { atLeast: runtime.positions(), waitMs: 10_000 };
  return (await runtime.projections.query("contents", "all", {}, wanted)).rows;
}
