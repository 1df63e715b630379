/**
 * A libSQL server for tests: the public protocol Hrana over HTTP, JSON, versions 2 and 3, on files in a folder
 * of its own. It loses answers, answers late or not at all, and hangs up, when it is told to.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type PipelineRequest, sqlOf } from "./protocol.ts";
import { HranaStream } from "./stream.ts";

/**
 * What happens to a request:
 *
 * - `refuse`: 502, and nothing is carried out;
 * - `reset`: the connection is reset, and nothing is carried out;
 * - `lose`: carried out, and then 502;
 * - `cut`: carried out, and the connection is reset in the middle of the answer;
 * - `drop`: carried out, and the connection is reset before the answer (Deno's `fetch` then asks again);
 * - `late`: 502, and carried out only when `land()` is called;
 * - `hang`: carried out, and never answered.
 */
export type Fault = "ok" | "refuse" | "reset" | "lose" | "cut" | "drop" | "late" | "hang";
export const faults: readonly Fault[] = ["ok", "refuse", "reset", "lose", "cut", "drop", "late", "hang"];

/** A request, as a test sees it. */
export interface Asked {
  readonly database: string;
  readonly sql: readonly string[];
  /** Whether it adds a commit to a shard. */
  readonly isCommit: boolean;
}

/** Streams whose client has not closed them; the oldest is given up for another. */
const STREAMS_MAX = 100;

export interface HranaServerOptions {
  /** Where its files are; made, and removed with it, unless it is given. */
  readonly folder?: string;
  readonly token?: string;
  readonly port?: number;
}

export class HranaServer {
  /** Decides about each request. */
  fault: (asked: Asked) => Fault = () => "ok";
  /** All that was asked, oldest first. */
  readonly asked: Asked[] = [];
  /** How often each fault has happened. */
  readonly happened = new Map<Fault, number>();
  readonly #idle = new Map<string, HranaStream[]>();
  readonly #open = new Map<string, { path: string; stream: HranaStream }>();
  #late: (() => void)[] = [];
  #gate: PromiseWithResolvers<void> | undefined;

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
    private readonly options: HranaServerOptions,
  ) {}

  static async start(options: HranaServerOptions = {}): Promise<HranaServer> {
    const folder = options.folder ?? Deno.makeTempDirSync({ prefix: "folio-hrana-" });
    const server = createServer();
    const hrana = new HranaServer(server, folder, options);
    server.on("request", (request, response) => void hrana.#serve(request, response));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
    await promise;
    return hrana;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What happens to the next requests that `isMeant`, in order; after those all is well. */
  plan(isMeant: (asked: Asked) => boolean, ...planned: Fault[]): void {
    this.fault = (asked) => (isMeant(asked) ? planned.shift() ?? "ok" : "ok");
  }

  /** From now on requests wait. @returns Lets them go. */
  hold(): () => void {
    const gate = this.#gate ??= Promise.withResolvers<void>();
    return () => {
      this.#gate = undefined;
      gate.resolve();
    };
  }

  /** Carries out what was to come late. @returns How many requests that were. */
  land(): number {
    const late = this.#late.splice(0);
    for (const carryOut of late) carryOut();
    return late.length;
  }

  /** Hangs up on everybody, and listens no more. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    this.server.closeAllConnections();
    await promise;
    for (const stream of [...this.#idle.values()].flat()) stream.dispose();
    for (const { stream } of this.#open.values()) stream.dispose();
    if (this.options.folder === undefined) Deno.removeSync(this.folder, { recursive: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, database = "", version, action = ""] =
      /^\/?(.*?)\/?(v[23])(\/pipeline)?$/.exec(request.url ?? "") ?? [];
    if (version === undefined) return answer(response, 404, { message: "There is nothing here" });
    const { token } = this.options;
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      return answer(response, 401, { error: "Unauthorized: the JWT is not valid" });
    }
    if (action === "") return answer(response, 200, {});
    let asked: PipelineRequest;
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk);
      asked = JSON.parse(Buffer.concat(chunks).toString());
    } catch {
      return answer(response, 400, { message: "Body is not JSON" });
    }
    if (!Array.isArray(asked?.requests)) return answer(response, 400, { message: "There are no requests" });
    await this.#gate?.promise;
    this.#carryOut(database, asked, response);
  }

  #carryOut(database: string, asked: PipelineRequest, response: ServerResponse): void {
    const sql = sqlOf(asked);
    const seen = { database, sql, isCommit: sql.some((text) => text.startsWith("INSERT INTO commits")) };
    this.asked.push(seen);
    const fault = this.fault(seen);
    this.happened.set(fault, (this.happened.get(fault) ?? 0) + 1);
    const hangUp = () => response.socket?.resetAndDestroy();
    if (fault === "refuse") return answer(response, 502, "Bad gateway", "text/html");
    if (fault === "reset") return void hangUp();
    if (fault === "late") {
      this.#late.push(() => this.#run(database, asked));
      return answer(response, 502, "Bad gateway", "text/html");
    }
    const result = this.#run(database, asked);
    if (!result) return answer(response, 400, { message: "The baton is not one of an open stream" });
    if (fault === "drop") return void hangUp();
    if (fault === "lose") return answer(response, 502, "Bad gateway", "text/html");
    if (fault === "hang") return;
    if (fault === "ok") return answer(response, 200, result);
    const body = JSON.stringify(result);
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length + 100 });
    response.write(body.slice(0, body.length / 2), hangUp);
  }

  /** @returns The answer; undefined where there is no such stream. */
  #run(database: string, request: PipelineRequest) {
    const path = `${this.folder}/${encodeURIComponent(database || "default")}.db`;
    let stream: HranaStream | undefined;
    if (request.baton) {
      const known = this.#open.get(request.baton);
      this.#open.delete(request.baton);
      if (known?.path !== path) return undefined;
      stream = known.stream;
    } else {
      stream = this.#idle.get(path)?.pop() ?? new HranaStream(path);
    }
    const results = stream.run(request);
    return { baton: this.#keep(path, stream), base_url: null, results };
  }

  /** @returns The baton by which the stream goes on, if it is not closed. */
  #keep(path: string, stream: HranaStream): string | null {
    if (stream.isClosed) {
      stream.reset();
      this.#idle.set(path, [...(this.#idle.get(path) ?? []), stream]);
      return null;
    }
    for (const [baton, { stream }] of this.#open) {
      if (this.#open.size < STREAMS_MAX) break;
      this.#open.delete(baton);
      stream.dispose();
    }
    const baton = crypto.randomUUID();
    this.#open.set(baton, { path, stream });
    return baton;
  }
}

function answer(response: ServerResponse, status: number, body: unknown, type = "application/json"): void {
  response.writeHead(status, { "content-type": type });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
