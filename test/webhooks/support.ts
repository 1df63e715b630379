/** Webhooks under virtual time, with receivers that are functions. */
import { CloudEvent } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { expect, onTestFinished } from "vitest";
import { z } from "zod";
import type { Limits } from "../../src/config.ts";
import { actor, command, createApp, createRuntime, type OpenRuntime } from "../../src/mod.ts";
import type { Post } from "../../src/processors/webhook_delivery.ts";
import type { Posted } from "../../src/processors/webhook_post.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { type Answer, readAnswer } from "../http/support.ts";

export const note = actor("note", {
  initialState: () => 0,
  events: { Added: z.object({ n: z.int(), text: z.string() }), Cleared: z.object({}) },
  evolve: { Added: (state) => state + 1, Cleared: () => 0 },
  commands: {
    add: command(
      z.object({ n: z.int(), text: z.string().default("") }),
      (turn, input) => turn.emit("Added", input),
    ),
    clear: command(z.object({}), (turn) => turn.emit("Cleared", {})),
  },
});
export const other = actor("other", {
  initialState: () => 0,
  events: { Happened: z.object({}) },
  evolve: { Happened: (state) => state + 1 },
  commands: { happen: command(z.object({}), (turn) => turn.emit("Happened", {})) },
});

/** A request that a receiver was sent. */
export interface Received {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly at: number;
  // deno-lint-ignore no-explicit-any -- the payload of whatever event
  readonly event: CloudEvent<any>;
}

/** What a receiver answers: a status, more than that, nothing at all ("silence"), or an error. */
export type Reaction = number | (Partial<Posted> & { status: number }) | "silence" | Error;

export interface WebhooksOptions {
  readonly shards?: number;
  readonly limits?: Partial<Limits>;
  readonly data?: string;
  readonly clock?: VirtualClock;
  readonly seed?: number;
  /** Sends requests, instead of giving them to `react`. */
  readonly post?: Post;
}

export class WebhooksServer {
  readonly received: Received[] = [];
  /** What receivers do; 204 unless a test says otherwise. */
  react: (received: Received) => Reaction = () => 204;
  secret = "";
  readonly #arrivals: { count: number; resolve: () => void }[] = [];
  readonly #app;

  private constructor(
    readonly runtime: OpenRuntime,
    readonly clock: VirtualClock,
    /** What has been logged, as `level message fields`. */
    readonly logged: readonly string[],
  ) {
    this.#app = createApp(runtime);
  }

  static async start(options: WebhooksOptions = {}): Promise<WebhooksServer> {
    // The libraries that verify know the real time only.
    const clock = options.clock ?? new VirtualClock(Date.now());
    // deno-lint-ignore prefer-const -- its receivers are there before it is
    let server: WebhooksServer;
    const logged: string[] = [];
    const runtime = await createRuntime({
      modules: [note, other],
      data: options.data ?? ":memory:",
      shards: options.shards,
      limits: options.limits,
      clock,
      ids: seededIds(options.seed ?? 1),
      log: (level, message, fields) => void logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
      webhooks: { allowPrivate: true, post: options.post ?? ((url, request) => server.#post(url, request)) },
    });
    server = new WebhooksServer(runtime, clock, logged);
    onTestFinished(() => runtime[Symbol.asyncDispose]().catch(() => {}));
    return server;
  }

  async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const asked = this.#app.request(`http://localhost${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    return await readAnswer(await asked);
  }

  get(path: string): Promise<Answer> {
    return this.request("GET", path);
  }

  /** Registers a webhook, which must be taken. @returns Its id. */
  async register(settings: object = {}): Promise<string> {
    const { status, body } = await this.request("POST", "/webhooks", {
      url: "https://receiver.test/hook",
      ...settings,
    });
    expect(status).toBe(201);
    this.secret = body.secret;
    return body.id;
  }

  async add(key: string, n: number, text = ""): Promise<void> {
    await this.runtime.ask(note.ref(key).add({ n, text }));
  }

  /**
   * Lets all that needs no time come to rest: what is in the log has been looked at, and each delivery has come
   * to its end, or waits for another time or for the one before it.
   */
  async settle(): Promise<void> {
    do await this.clock.advance(0); while (!this.#isAtRest());
  }

  #isAtRest(): boolean {
    const { runtime, clock } = this;
    const isRead = runtime.webhooks.list().every(({ status, lagEvents, pendingDeliveries }) =>
      status === "paused" || lagEvents === 0 || pendingDeliveries >= runtime.limits.webhookPendingMax
    );
    if (!isRead || runtime.activities.list().some(({ running }) => running > 0)) return false;
    const first = new Map<string, number>();
    for (const { work } of runtime.shards) {
      for (const { message, nextAttemptAt } of work.entries) {
        if (!first.has(message.actor)) first.set(message.actor, nextAttemptAt ?? 0);
      }
    }
    return [...first.values()].every((at) => at > clock.now());
  }

  /** Resolves when so many requests have arrived in all. A database in a file answers in its own time. */
  arrived(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.received.length >= count) resolve();
      else this.#arrivals.push({ count, resolve });
    });
  }

  /** The numbers that have arrived of an actor, in order. */
  numbersOf(key: string, url?: string): number[] {
    return this.received.filter(({ event, url: to }) =>
      event.subject === `note/${key}` && (url ?? to) === to && event.type === "folio.note.Added"
    ).map(({ event }) => event.data.n);
  }

  async #post(url: URL, { headers, body, signal }: Parameters<Post>[1]): Promise<Posted> {
    const received = {
      url: url.href,
      headers: { ...headers },
      body,
      at: this.clock.now(),
      event: parseEvent(headers, body),
    };
    this.received.push(received);
    for (const { count, resolve } of this.#arrivals) if (count <= this.received.length) resolve();
    const reaction = this.react(received);
    if (reaction === "silence") {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      return await promise;
    }
    if (reaction instanceof Error) throw reaction;
    const answer = typeof reaction === "number" ? { status: reaction } : reaction;
    return { body: "", retryAfter: undefined, ...answer };
  }
}

/** The event of a request in structured mode, as the public library reads it. */
// deno-lint-ignore no-explicit-any -- the payload of whatever event
export function parseEvent(headers: Readonly<Record<string, string>>, body: string): CloudEvent<any> {
  expect(headers["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
  const event = new CloudEvent(JSON.parse(body));
  expect(event.validate()).toBe(true);
  return event;
}

/** Whether the public library takes the signature of a request. */
export function isSigned({ headers, body }: Pick<Received, "headers" | "body">, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, { ...headers });
    return true;
  } catch {
    return false;
  }
}
