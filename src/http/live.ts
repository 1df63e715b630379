import type { Clock } from "../core/clock.ts";
import { FolioError } from "../core/errors.ts";
import { respond } from "./problem.ts";
import { draining } from "../runtime/serving.ts";

/** Where a live stream reads from. */
export interface LiveSource {
  /**
   * The next frames, none if there is nothing new; called again only once these have been taken. Undefined
   * when what was looked through held nothing, and there is more to look through.
   */
  next(): Promise<string[] | undefined>;
  /** Id of the place that has been looked through, so that a reader who comes back does not start before it. */
  reached(): string;
  /** Calls `wake` when there may be something new. @returns A function that ends it. */
  subscribe(wake: () => void): () => void;
}

const encoder = new TextEncoder();

/** What is handed on at once, roughly: whoever writes to the socket holds some of these. */
const CHUNK_CHARS = 65_536;

/** One event in the format of server-sent events (WHATWG HTML, 9.2). */
export function frame(event: { id: string; type: string; data: unknown }): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/**
 * Live streams of events. Each reads from the log when its reader has taken what it was given, so a slow
 * reader costs no memory; its place in the log is its own `Last-Event-ID`. One that takes nothing for long is
 * dropped, and may come back.
 */
export class LiveStreams {
  readonly #endings = new Set<() => void>();
  #isEnded = false;

  constructor(
    private readonly clock: Clock,
    private readonly limits: { readersMax: number; heartbeatMs: number; readerStallMsMax: number },
  ) {}

  /** @throws {FolioError} `too-many-readers`, `draining`. */
  respond(source: LiveSource): Response {
    const { readersMax, heartbeatMs, readerStallMsMax } = this.limits;
    if (this.#isEnded) throw draining();
    if (this.#endings.size >= readersMax) {
      throw new FolioError("too-many-readers", `There are ${readersMax} live readers already`, {
        readersMax,
      });
    }
    let isOver = false;
    /** What has been read and not been handed on yet. */
    let ready: string[] = [];
    let wake = () => {};
    let hasNews = true;
    const unsubscribe = source.subscribe(() => {
      hasNews = true;
      wake();
    });
    const end = () => {
      isOver = true;
      ready = [];
      this.#endings.delete(end);
      unsubscribe();
      wake();
    };
    this.#endings.add(end);
    const newsWithin = (delayMs: number) =>
      new Promise<void>((resolve) => {
        const cancel = this.clock.after(delayMs, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
    const take = () => {
      let text = "";
      let taken = 0;
      while (taken < ready.length && text.length < CHUNK_CHARS) text += ready[taken++];
      ready = ready.slice(taken);
      return text;
    };
    /** What to send next, or undefined when the stream is over. */
    const nextText = async (): Promise<string | undefined> => {
      if (ready.length > 0 && !isOver) return take();
      const heartbeatAt = this.clock.now() + heartbeatMs;
      while (!isOver) {
        if (hasNews) {
          hasNews = false;
          const frames = await source.next();
          hasNews ||= frames === undefined || frames.length > 0; // there may be more
          ready = frames ?? [];
          if (ready.length > 0) return take();
        } else await newsWithin(heartbeatAt - this.clock.now());
        // Also when there is much news, none of it for this reader.
        if (this.clock.now() >= heartbeatAt) return `: still here\nid: ${source.reached()}\n\n`;
      }
      return undefined;
    };

    // What the reader was given and has not taken yet is all that is held for it, and not for ever.
    let taken = () => {};
    const give = (controller: ReadableStreamDefaultController<Uint8Array>, text: string) => {
      controller.enqueue(encoder.encode(text));
      taken = this.clock.after(readerStallMsMax, () => {
        end();
        const error = new Error(`Reader has taken nothing for ${readerStallMsMax} ms`);
        // The server prints it, and where it was made tells nobody anything.
        error.stack = `A live reader was dropped: ${error.message}`;
        controller.error(error);
      });
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => give(controller, "retry: 1000\n\n"),
      async pull(controller) {
        taken();
        try {
          const text = await nextText();
          if (text === undefined) controller.close();
          else give(controller, text);
        } catch (error) {
          // The log cannot be read: the reader comes back, and has its place.
          end();
          throw error;
        }
      },
      cancel() {
        taken();
        end();
      },
    }, { highWaterMark: 1 });
    return respond(200, body, "text/event-stream", { "x-accel-buffering": "no" });
  }

  /** Ends all streams, and has no new ones; their readers come back with their `Last-Event-ID`. */
  end(): void {
    this.#isEnded = true;
    for (const end of [...this.#endings]) end();
  }
}
