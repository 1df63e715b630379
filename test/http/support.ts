import { expect, onTestFinished } from "vitest";
import type { Hono } from "hono";
import { z } from "zod";
import sampleModules from "../../actors/mod.ts";
import type { Limits } from "../../src/config.ts";
import { actor, command, createApp, createRuntime, type OpenRuntime } from "../../src/mod.ts";
import type { CreateRuntimeOptions } from "../../src/create_runtime.ts";
import type { AnyModule } from "../../src/runtime/registry.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { ledger, sender, unreliable } from "../support/actors.ts";

/** Takes anything, and says what it was given: what gets through HTTP unharmed shows in its reply. */
export const echo = actor("echo", {
  initialState: () => ({}),
  events: { Heard: z.object({ input: z.unknown() }) },
  evolve: { Heard: (state) => state },
  commands: {
    say: command(z.unknown(), (_, input) => ({ input })),
    keep: command(z.unknown(), (turn, input) => turn.emit("Heard", { input })),
    measure: command(z.unknown(), (_, input) => ({ chars: JSON.stringify(input).length })),
  },
});

export interface ServeOptions {
  readonly shards?: number;
  readonly limits?: Partial<Limits>;
  readonly token?: string;
  readonly data?: string;
  readonly attemptsMax?: number;
  readonly observe?: CreateRuntimeOptions["observe"];
  readonly modules?: readonly AnyModule[];
  readonly webhooks?: CreateRuntimeOptions["webhooks"];
  /** Is told how to end what several tests share; otherwise it ends with its test. */
  readonly onEnd?: (end: () => Promise<void>) => void;
}

/** A response, read and checked for what every response must have. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- JSON of another shape for each route
  readonly body: any;
}

type RequestHeaders = Record<string, string>;

/** An app on a runtime in memory and on virtual time, for one test. */
export class Served {
  constructor(
    readonly app: Hono,
    readonly runtime: OpenRuntime,
    readonly clock: VirtualClock,
    /** Of `worker`: how often the work of each label is to fail, and what it did. */
    readonly faults: Pick<ReturnType<typeof unreliable>, "failures" | "attempts">,
    /** What has been logged, as `level message`. */
    readonly logged: string[],
  ) {}

  async request(path: string, init: RequestInit = {}): Promise<Answer> {
    const url = path.startsWith("http") ? path : `http://localhost${path}`;
    return await readAnswer(await this.app.request(url, init));
  }

  get(path: string, headers: RequestHeaders = {}): Promise<Answer> {
    return this.request(path, { headers });
  }

  /** @param body Sent as JSON; a string as it is. */
  post(path: string, body: unknown = {}, headers: RequestHeaders = {}): Promise<Answer> {
    return this.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream
        ? body as BodyInit
        : JSON.stringify(body),
    });
  }

  /** A live stream, which must begin. */
  async live(path: string, headers: RequestHeaders = {}): Promise<Live> {
    const response = await this.app.request(`http://localhost${path}`, {
      headers: { accept: "text/event-stream", ...headers },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expectCommonHeaders(response.headers);
    if (!response.body) throw new Error("A live stream has a body");
    return new Live(response.body);
  }

  /** Lets commits run until a message has come to an end. */
  async settled(id: string, by = 1_000): Promise<Answer> {
    while (true) {
      const answer = await this.get(`/messages/${id}`);
      if (["done", "rejected", "dead"].includes(answer.body.status)) return answer;
      await this.clock.advance(by);
    }
  }
}

let seeds = 0;

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const { worker, ...faults } = unreliable({ attemptsMax: options.attemptsMax ?? 5 });
  const clock = new VirtualClock();
  const logged: string[] = [];
  const runtime = await createRuntime({
    modules: [...sampleModules, ledger, sender, echo, worker, ...options.modules ?? []],
    data: options.data ?? ":memory:",
    shards: options.shards,
    limits: options.limits,
    clock,
    ids: seededIds(++seeds),
    observe: options.observe,
    webhooks: options.webhooks,
    log: (level, message, fields) => void logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
  });
  (options.onEnd ?? onTestFinished)(() => runtime[Symbol.asyncDispose]().catch(() => {}));
  const app = createApp(runtime, { token: options.token });
  return new Served(app, runtime, clock, faults, logged);
}

/** Reads a response to its end, and checks what must be true of each. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response;
  expectCommonHeaders(headers);
  const text = await response.text();
  const body = text === "" ? undefined : JSON.parse(text);
  if (status >= 400 && body !== undefined && headers.get("content-type") === "application/problem+json") {
    expect(body).toMatchObject({
      type: expect.stringMatching(/^\/problems\/[a-z-]+$/),
      title: expect.stringMatching(/./),
      status,
      code: expect.stringMatching(/./),
      detail: expect.stringMatching(/./),
    });
    if (body.type !== "/problems/rejected") expect(body.type).toBe(`/problems/${body.code}`);
    expect(text).not.toMatch(/\\n\s+at |\.ts:\d+:\d+|file:\/\//); // a stack trace
    expect(text.length).toBeLessThan(10_000);
  } else if (text !== "") {
    expect(headers.get("content-type")).toBe("application/json");
  }
  return { status, headers, body };
}

function expectCommonHeaders(headers: Headers): void {
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("cache-control")).toBe("no-store");
}

/** That an answer is a problem of a code. */
export function expectProblem(answer: Answer, status: number, code: string, name?: string): void {
  expect({ status: answer.status, code: answer.body?.code }).toEqual({ status, code });
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  if (name !== undefined) expect(answer.body.name).toBe(name);
}

export interface Frame {
  readonly id?: string;
  readonly event?: string;
  // deno-lint-ignore no-explicit-any -- an event as JSON
  readonly data?: any;
  readonly comment?: string;
}

/** The reader of a live stream. */
export class Live {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #text = "";
  isOver = false;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next chunk as text, undefined at the end. */
  async chunk(): Promise<string | undefined> {
    const { value, done } = await this.#reader.read();
    this.isOver = done;
    return value && new TextDecoder().decode(value);
  }

  /** Frames until there are so many events, or the stream ends. */
  async events(count: number): Promise<Frame[]> {
    const events: Frame[] = [];
    while (events.length < count) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const chunk = await this.chunk();
        if (chunk === undefined) return events;
        this.#text += chunk;
        continue;
      }
      const frame = parseFrame(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
      if (frame.data !== undefined) events.push(frame);
    }
    return events;
  }

  cut(): Promise<void> {
    return this.#reader.cancel();
  }
}

export function parseFrame(text: string): Frame {
  const frame: { -readonly [K in keyof Frame]: Frame[K] } = {};
  for (const line of text.split("\n")) {
    if (line.startsWith(":")) frame.comment = line.slice(1).trim();
    else if (line.startsWith("id: ")) frame.id = line.slice(4);
    else if (line.startsWith("event: ")) frame.event = line.slice(7);
    else if (line.startsWith("data: ")) frame.data = JSON.parse(line.slice(6));
    else expect(line).toBe("retry: 1000");
  }
  return frame;
}
