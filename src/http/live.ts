import type { Clock } from "../core/clock.ts";
import { FolioError } from "../core/errors.ts";
import { commonHeaders } from "./problem.ts";

/** Where a live stream reads from. */
export interface LiveSource {
  /** The next frames, none if there is nothing new; called again only once these have been taken. */
  next(): Promise<string[]>;
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

  constructor(
    private readonly clock: Clock,
    private readonly limits: { readersMax: number; heartbeatMs: number },
  ) {}

  /** @throws {FolioError} `too-many-readers`. */
  respond(source: LiveSource): Response {
    const { readersMax, heartbeatMs } = this.limits;
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
    /** Resolves with false when a heartbeat is due first. */
    const news = () =>
      new Promise<boolean>((resolve) => {
        const cancel = this.clock.after(heartbeatMs, () => resolve(false));
        wake = () => {
          cancel();
          resolve(true);
        };
      });

    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encoder.encode("retry: 1000\n\n")),
      pull: async (controller) => {
        while (!isOver) {
          if (hasNews) {
            hasNews = false;
            const frames = await source.next();
            if (frames.length > 0) {
              hasNews = true; // there may be more
              return controller.enqueue(encoder.encode(frames.join("")));
            }
          } else if (!await news()) {
            return controller.enqueue(encoder.encode(`: still here\nid: ${source.reached()}\n\n`));
          }
        }
        controller.close();
      },
      cancel: end,
    }, { highWaterMark: 1 });
    return new Response(body, {
      headers: { ...commonHeaders, "content-type": "text/event-stream", "x-accel-buffering": "no" },
    });
  }

  /** Ends all streams; their readers come back with their `Last-Event-ID`. */
  end(): void {
    for (const end of [...this.#endings]) end();
  }
}
