import { FolioClientError } from "../../src/client/client_error.ts";
import { type Call, Transport } from "../../src/client/transport.ts";
import { ambiguous, ScriptError, UsageError } from "./errors.ts";
import type { Terminal } from "./terminal.ts";

/** For requests whose work grows with the log: who waits for one ends it with Ctrl+C. */
export const PATIENCE_MS = 86_400_000;

/** A running server. It is asked once, and not again: who sits there sees what is wrong, and decides. */
export class Server {
  /** For what the client knows how to do. What it throws is for `explained`. */
  readonly transport: Transport;
  readonly #hasToken: boolean;

  /** @throws {UsageError} When the URL is none. */
  constructor(readonly url: string, { env, fetch }: Pick<Terminal, "env" | "fetch">) {
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      throw new UsageError(`Cannot use --url ${url}: it is no URL, such as http://127.0.0.1:8000`);
    }
    const { username, password } = new URL(url);
    if (username !== "" || password !== "") {
      throw new UsageError(
        "Cannot use --url with a name or password in it: the token belongs into FOLIO_TOKEN",
      );
    }
    const token = env("FOLIO_TOKEN");
    this.#hasToken = token !== undefined;
    this.transport = new Transport(url, { token, fetch, attemptsMax: 1 });
  }

  /** @throws {ScriptError} For any answer but 2xx, and for none. */
  async get<T>(path: string, query: Call["query"] = {}): Promise<T> {
    return await this.call<T>({ method: "GET", path, query });
  }

  /** The body of the answer, which is what this server gives. @throws {ScriptError} */
  async call<T>(call: Call): Promise<T> {
    return await this.explained(async () => (await this.transport.call(call)).body as T);
  }

  /** @throws {ScriptError} Saying in one line what to do about a `FolioClientError`. */
  async explained<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof FolioClientError)) throw error;
      throw new ScriptError(this.#textOf(error), { cause: error });
    }
  }

  #textOf(error: FolioClientError): string {
    const { code, status, problem, message } = error;
    if (code === "unreachable") {
      return `Cannot reach ${this.url}: ${reasonOf(error)}. Is the server running there?`;
    }
    if (status === 401) {
      return this.#hasToken
        ? `${this.url} does not take the token in FOLIO_TOKEN: set it to the server's own`
        : `${this.url} wants a token: set FOLIO_TOKEN to the server's own`;
    }
    if (!problem) return `${this.url} is no Folio server, or not its address: it answered ${status}`;
    if (code === "ambiguous-message" && Array.isArray(problem.actors)) return ambiguous(problem.actors);
    return [problem.detail ?? message, ...issuesOf(problem.issues)].join("\n  ");
  }
}

/** Whether a request that has failed may have been received all the same. */
export function mayHaveArrived(error: FolioClientError): boolean {
  return error.code === "unreachable" && !/client error \(Connect\)/.test(rootCause(error));
}

/** `fetch` says at length what a few words tell. */
function reasonOf(error: FolioClientError): string {
  const text = rootCause(error);
  return /client error \(Connect\): (?:tcp connect error: |dns error: )?(.*?)(?: \(os error \d+\))?$/.exec(
    text,
  )?.[1] ?? text;
}

function rootCause(error: Error): string {
  return error.cause instanceof Error ? rootCause(error.cause) : error.message;
}

function issuesOf(issues: unknown): string[] {
  if (!Array.isArray(issues)) return [];
  return issues.map(({ path, message }) => `${Array.isArray(path) ? path.join(".") : ""}: ${message}`);
}
