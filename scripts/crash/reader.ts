import { createParser } from "eventsource-parser";
import type { SeenEvent } from "./fold.ts";
import type { Gate } from "./gate.ts";
import type { Random } from "./random.ts";
import type { Violations } from "./violations.ts";

/**
 * Follows a live stream through all kills: comes back with the `Last-Event-ID` of the last event it has
 * taken. Now and then it breaks the connection off itself, between two events or in the middle of a frame.
 */
export class Reader {
  connections = 0;
  #lastEventId = "";
  #isStopped = false;
  #abort = new AbortController();
  readonly #ended: Promise<void>;

  /**
   * @param path Of the stream.
   * @param take Is given each event once, in order, if the server keeps its word.
   */
  constructor(
    private readonly gate: Gate,
    private readonly path: string,
    private readonly random: Random,
    private readonly violations: Violations,
    private readonly take: (event: SeenEvent) => void,
  ) {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#abort.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const url = await this.gate.url();
      if (url === undefined) return;
      this.#abort = new AbortController();
      try {
        await this.#follow(url, this.#abort.signal);
      } catch {
        // The server is gone, or the connection was broken off: the next one goes on from here.
      }
    }
  }

  async #follow(url: string, signal: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#lastEventId !== "") headers["last-event-id"] = this.#lastEventId;
    const response = await fetch(`${url}${this.path}`, { headers, signal });
    if (!response.ok || !response.body) {
      this.#isStopped = true;
      this.violations.add(
        `Live stream ${this.path} was answered ${response.status}: ${await response.text()}`,
      );
      return;
    }
    this.connections++;
    let left = this.random.int(20, 2_000);
    const parser = createParser({
      onEvent: ({ id, data }) => {
        if (left <= 0) return; // as if it had not come
        left--;
        this.#lastEventId = id ?? this.#lastEventId;
        this.#take(data);
      },
    });
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      parser.feed(text);
      if (left <= 0) return this.#abort.abort();
    }
  }

  #take(data: string): void {
    try {
      this.take(JSON.parse(data));
    } catch (error) {
      this.violations.add(`Live stream ${this.path} sent what cannot be: ${data} (${error})`);
    }
  }
}
