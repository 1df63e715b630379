import { createParser, type EventSourceMessage } from "eventsource-parser";
import { backoffMs, defaultRetryPolicy, type RetryPolicy } from "../core/backoff.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { createIds, type Ids } from "../core/ids.ts";
import { FolioClientError, type Problem } from "./client_error.ts";
import type { ClientOptions, Fetch } from "./types.ts";

/** One request. What it asks for may be asked for again: reads, commands that carry their id, what sets a value. */
export interface Call {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below the server's URL, encoded. */
  readonly path: string;
  /** Those that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Whether it must not be asked for again where it may have been done: only when it was refused (429). */
  readonly isOnce?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Without a response for so long it has failed (60 s). */
  readonly responseMsMax?: number | undefined;
}

/** A response of 2xx. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A request without a response for so long has failed; the server answers a waiting one after 30 s. */
const RESPONSE_MS_MAX = 60_000;
/** A stream without a sign of life for so long has ended; the server sends one every 15 s. */
const SILENCE_MS_MAX = 60_000;
/** Who asks to come back later than this is not waited for. */
const RETRY_AFTER_MS_MAX = 60_000;

/** Sends requests, again where they fail for a while. */
export class Transport {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #token: string | undefined;
  readonly #retry: RetryPolicy;

  /** @throws {TypeError} When `url` is none. @throws {RangeError} When `attemptsMax` is below 1. */
  constructor(url: string | URL, options: ClientOptions) {
    this.#base = new URL(url).href.replace(/\/+$/, "");
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#token = options.token;
    this.clock = options.clock ?? systemClock;
    this.ids = createIds(this.clock);
    const attemptsMax = options.attemptsMax ?? defaultRetryPolicy.attemptsMax;
    if (!(attemptsMax >= 1)) throw new RangeError(`Cannot create a client: attemptsMax is ${attemptsMax}`);
    this.#retry = { ...defaultRetryPolicy, attemptsMax, delayMs: 200, delayMsMax: 10_000 };
  }

  /** @throws {FolioClientError} For any response but 2xx, and when there is none after all attempts. */
  async call(call: Call): Promise<Answer> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#callOnce(call);
      } catch (error) {
        if (attempt >= this.#retry.attemptsMax) throw error;
        const isRefused = error instanceof FolioClientError && error.status === 429;
        if (call.isOnce && !isRefused) throw error;
        await this.waitAfter(error, attempt, call.signal);
      }
    }
  }

  /**
   * Waits until a failed request may be sent again.
   *
   * @throws `error` itself, where sending it again is of no use.
   */
  async waitAfter(error: unknown, failures: number, signal: AbortSignal | undefined): Promise<void> {
    if (!(error instanceof FolioClientError) || !error.isTransient) throw error;
    const askedMs = error.retryAfterMs ?? 0;
    if (askedMs > RETRY_AFTER_MS_MAX) throw error;
    const delayMs = backoffMs(this.#retry, failures, this.ids.random());
    await sleep(this.clock, Math.max(delayMs, askedMs), signal);
  }

  /**
   * Server-sent events of one connection; returns when the server ends it.
   *
   * @throws {FolioClientError} When no stream comes, or it is lost.
   */
  async *stream(call: Call): AsyncGenerator<EventSourceMessage> {
    const send = this.#prepare(call, "text/event-stream");
    const response = await this.#bounded(call, RESPONSE_MS_MAX, async (signal) => {
      const response = await send(signal);
      if (!response.ok || !response.body) {
        throw problemError(call, response, await response.text(), this.clock);
      }
      return response;
    });
    const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
    if (!reader) return;
    const decoder = new TextDecoder();
    const messages: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (message) => messages.push(message) });
    try {
      while (true) {
        const { value, done } = await this.#bounded(call, SILENCE_MS_MAX, () => reader.read());
        if (done) return;
        parser.feed(decoder.decode(value, { stream: true }));
        yield* messages.splice(0);
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  async #callOnce(call: Call): Promise<Answer> {
    const send = this.#prepare(call, "application/json");
    const { responseMsMax = RESPONSE_MS_MAX } = call;
    const { response, text } = await this.#bounded(call, responseMsMax, async (signal) => {
      const response = await send(signal);
      return { response, text: await response.text() };
    });
    const body = parseJson(text);
    if (!response.ok || body === undefined) throw problemError(call, response, text, this.clock);
    return { status: response.status, headers: response.headers, body };
  }

  /** A request ready to be sent. Made outside of the attempt, since what cannot be sent will never be. */
  #prepare(call: Call, accept: string): (signal: AbortSignal) => Promise<Response> {
    const query = new URLSearchParams(definedEntries(call.query));
    const url = `${this.#base}${call.path}${query.size > 0 ? `?${query}` : ""}`;
    const headers = new Headers([["accept", accept], ...definedEntries(call.headers)]);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    const init: RequestInit = { method: call.method, headers };
    if (call.body !== undefined) {
      headers.set("content-type", "application/json");
      init.body = JSON.stringify(call.body);
    }
    return async (signal) => await this.#fetch(url, { ...init, signal });
  }

  /** Does `work`, and gives it up after `msMax` or when the call is aborted, even if `work` minds no signal. */
  async #bounded<T>(call: Call, msMax: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeout = new AbortController();
    const signal = call.signal ? AbortSignal.any([call.signal, timeout.signal]) : timeout.signal;
    const abandoned = Promise.withResolvers<never>();
    const abandon = () => abandoned.reject(signal.reason);
    signal.addEventListener("abort", abandon);
    const cancelTimer = this.clock.after(
      msMax,
      () => timeout.abort(new DOMException(`Nothing came for ${msMax} ms`, "TimeoutError")),
    );
    try {
      call.signal?.throwIfAborted();
      return await Promise.race([work(signal), abandoned.promise]);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof FolioClientError) throw error;
      const reason = error instanceof Error ? error.message : error;
      throw new FolioClientError(
        `Cannot ${call.method} ${call.path}: no response, ${reason}`,
        0,
        "unreachable",
        undefined,
        { cause: error },
      );
    } finally {
      cancelTimer();
      signal.removeEventListener("abort", abandon);
    }
  }
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      cancelTimer();
      reject(signal?.reason);
    };
    const cancelTimer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function problemError(call: Call, response: Response, text: string, clock: Clock): FolioClientError {
  const problem = response.headers.get("content-type")?.startsWith("application/problem+json")
    ? parseJson(text) as Problem | undefined
    : undefined;
  const code = typeof problem?.code === "string" ? problem.code : "unexpected-response";
  const reason = problem?.detail ?? problem?.title ?? "not an answer of Folio";
  return new FolioClientError(
    `Cannot ${call.method} ${call.path}: ${response.status} ${code}, ${reason}${issuesText(problem?.issues)}`,
    response.status,
    code,
    problem,
    { retryAfterMs: parseRetryAfter(response.headers.get("retry-after"), clock) },
  );
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function parseRetryAfter(header: string | null, clock: Clock): number | undefined {
  if (header === null) return undefined;
  const delayMs = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - clock.now();
  return Number.isNaN(delayMs) ? undefined : Math.max(delayMs, 0);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function definedEntries(
  record: Readonly<Record<string, string | number | undefined>> = {},
): [string, string][] {
  return Object.entries(record).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]]
  );
}

/** Where an input does not fit, and why: what a problem's `issues` say, for people. */
function issuesText(issues: unknown): string {
  if (!Array.isArray(issues) || issues.length === 0) return "";
  const lines = issues.map((issue: unknown) => {
    const { path, message } = Object(issue);
    return Array.isArray(path) && path.length > 0 ? `${path.join(".")}: ${message}` : String(message);
  });
  return `: ${lines.join("; ")}`;
}
