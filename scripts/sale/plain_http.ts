import type { Send } from "./crowd.ts";

interface Wanted {
  readonly request: Uint8Array<ArrayBuffer>;
  resolve(response: Response): void;
  reject(error: unknown): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Sends requests over kept HTTP/1.1 connections (RFC 9112), one at a time on each: `fetch` takes as long for a
 * request as the server that is measured. Knows only answers with a Content-Length, which are all of a command's.
 */
export class PlainHttp {
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #idle: ((wanted: Wanted) => void)[] = [];
  readonly #queue: Wanted[] = [];
  #queued = 0;

  /** @param connectionsMax Opened as they are needed; what finds none waits. */
  constructor(private readonly url: URL, private readonly connectionsMax: number) {}

  readonly send: Send = (path, { method = "GET", headers, body = "" }) => {
    const text = String(body);
    const lines = [`${method} ${path} HTTP/1.1`, `host: ${this.url.host}`, `content-length: ${text.length}`];
    for (const [name, value] of new Headers(headers)) lines.push(`${name}: ${value}`);
    const request = encoder.encode(`${lines.join("\r\n")}\r\n\r\n${text}`);
    return new Promise((resolve, reject) => {
      const wanted = { request, resolve, reject };
      const idle = this.#idle.pop();
      if (idle) return idle(wanted);
      this.#queue.push(wanted);
      if (this.#connections.size < this.connectionsMax) this.#open();
    });
  };

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #open(): Promise<void> {
    const { hostname, port } = this.url;
    try {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      this.#connections.add(connection);
      connection.setNoDelay(true);
      while (true) await this.#exchange(connection, this.#next() ?? await this.#wait());
    } catch {
      // Whoever it concerns has been told.
    }
  }

  #next(): Wanted | undefined {
    const wanted = this.#queue[this.#queued];
    if (wanted) this.#queued++;
    else this.#queued = this.#queue.length = 0;
    return wanted;
  }

  #wait(): Promise<Wanted> {
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #exchange(connection: Deno.TcpConn, { request, resolve, reject }: Wanted): Promise<void> {
    try {
      for (let sent = 0; sent < request.length;) sent += await connection.write(request.subarray(sent));
      resolve(await readResponse(connection));
    } catch (error) {
      this.#connections.delete(connection);
      reject(error);
      throw error;
    }
  }
}

async function readResponse(connection: Deno.TcpConn): Promise<Response> {
  const buffer = new Uint8Array(4_096);
  let text = "";
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("Connection ended before its answer");
    text += decoder.decode(buffer.subarray(0, count));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const head = text.slice(0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    if (text.length - end - 4 < length) continue;
    const retryAfter = /\r\nretry-after: (\d+)/i.exec(head)?.[1];
    return new Response(text.slice(end + 4), {
      status: Number(head.slice(9, 12)),
      headers: retryAfter === undefined ? {} : { "retry-after": retryAfter },
    });
  }
}
