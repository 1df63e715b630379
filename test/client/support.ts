import type { Hono } from "hono";
import type modules from "../../actors/mod.ts";
import { type ClientOptions, createClient, type Fetch } from "../../src/client.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

/** A clock that goes on by itself for as long as somebody waits. */
export class TestClock extends VirtualClock {
  /** Lets time pass until `promise` is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.finally(() => isSettled = true).catch(() => {});
    while (!isSettled) {
      await this.advance(100);
      if (!isSettled && this.pending === 0) {
        await this.settle();
        if (!isSettled && this.pending === 0) throw new Error("Nothing will ever settle this promise");
      }
    }
    return promise;
  }
}

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Headers;
  readonly body: unknown;
  /** Milliseconds since the first one. */
  readonly afterMs: number;
}

/** A client of the sample modules whose server is a Hono app, on virtual time. */
export function clientOf(app: Hono, options: ClientOptions = {}) {
  const clock = new TestClock();
  const startedAt = clock.now();
  const seen: Seen[] = [];
  const fetch: Fetch = async (url, init) => {
    const { pathname, searchParams } = new URL(url);
    seen.push({
      method: init.method ?? "GET",
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: new Headers(init.headers),
      body: init.body === undefined ? undefined : JSON.parse(String(init.body)),
      afterMs: clock.now() - startedAt,
    });
    return await app.request(url, init);
  };
  const client = createClient<typeof modules>("http://folio.test/", { fetch, clock, ...options });
  return { client, clock, seen };
}

/** A problem as the server sends it. */
export function problem(
  status: number,
  code: string,
  { type = code, headers = {}, ...members }: {
    type?: string;
    headers?: Record<string, string>;
    details?: unknown;
  } = {},
): Response {
  return new Response(JSON.stringify({ type: `/problems/${type}`, title: code, status, code, ...members }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** The answer to a command of `account/alice`. */
export function replied(reply: unknown = { balance: 5 }): Response {
  const body = { messageId: "m1", actor: "account/alice", version: 2, position: 7, reply };
  return Response.json(body, { headers: { "folio-message-id": "m1", "folio-position": "0.7" } });
}
