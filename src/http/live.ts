import type { Clock } from "../core/clock.ts";
import { FolioError } from "../core/errors.ts";
import { respond } from "./problem.ts";

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

/** One event in the format of server-sent events (WHATWG HTML, 9.2). */
export function frame(event: { id: string; type: string; data: unknown }): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/**
 * Live streams of events. Each reads from the log when its reader has taken what it was given, so a slow
 * reader costs no memory; its place in the log is its own `Last-Event-ID`.
 */
export class LiveStreams {
  readonly #endings = new Set<() => void>();
  #isEnded = false;

  constructor(
    private readonly clock: Clock,
    private readonly limits: { readersMax: number; heartbeatMs: number },
  ) {}

  /** @throws {FolioError} `too-many-readers`, `draining`. */
  respond(source: LiveSource): Response {
    const { readersMax, heartbeatMs } = this.limits;
    if (this.#isEnded) throw new FolioError("draining", "This process is stopping", {});
    if (this.#endings.size >= readersMax) {
      throw new FolioError("too-many-readers", `There are ${readersMax} live readers already`, {
        readersMax,
      });
    }
    let isOver = false;
    let wake = () => {};
    let hasNews = true;
    const unsubscribe = source.subscribe(() => {
      hasNews = true;
      wake();
    });
    const end = () => {
      isOver = true;
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
    /** What to send next, or undefined when the stream is over. */
    const nextText = async (): Promise<string | undefined> => {
      const heartbeatAt = this.clock.now() + heartbeatMs;
      while (!isOver) {
        if (hasNews) {
          hasNews = false;
          const frames = await source.next();
          hasNews ||= frames === undefined || frames.length > 0; // there may be more
          if (frames && frames.length > 0) return frames.join("");
        } else await newsWithin(heartbeatAt - this.clock.now());
        // Also when there is much news, none of it for this reader.
        if (this.clock.now() >= heartbeatAt) return `: still here\nid: ${source.reached()}\n\n`;
      }
      return undefined;
    };

    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encoder.encode("retry: 1000\n\n")),
      async pull(controller) {
        try {
          const text = await nextText();
          if (text === undefined) controller.close();
          else controller.enqueue(encoder.encode(text));
        } catch (error) {
          // The log cannot be read: the reader comes back, and has its place.
          end();
          throw error;
        }
      },
      cancel: end,
    }, { highWaterMark: 1 });
    return respond(200, body, "text/event-stream", { "x-accel-buffering": "no" });
  }

  /** Ends all streams, and has no new ones; their readers come back with their `Last-Event-ID`. */
  end(): void {
    this.#isEnded = true;
    for (const end of [...this.#endings]) end();
  }
}
