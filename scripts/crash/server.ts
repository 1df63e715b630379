import { type Child, startChild } from "../support/child.ts";
import { type Ordeal, ordealVariable } from "./kill_points.ts";
import type { Violations } from "./violations.ts";

/** What happens in any life of a server, beside what it is told at level `info`. */
const expectedMessages = new Set([
  "Handler failed, will be tried again",
  "Activity failed, will be tried again",
  "Saga failed",
  "Nothing is archived: the store is no folder",
]);

/** The real server, in a process of its own. */
export class Server {
  #isMeantToEnd = false;
  /** Whether it was ended by its ordeal. */
  hasEndedItself = false;

  private constructor(private readonly child: Child) {}

  static start(
    options: { data: string; shards: number; chain: boolean; modules: string; ordeal?: Ordeal | undefined },
    violations: Violations,
  ): Server {
    const { ordeal } = options;
    const child = startChild("src/main.ts", {
      flags: ordeal ? ["--preload", "scripts/crash/ordeal.ts"] : [],
      env: {
        ...ordeal ? { [ordealVariable]: JSON.stringify(ordeal) } : {},
        FOLIO_PORT: "0",
        FOLIO_DATA: options.data,
        FOLIO_SHARDS: String(options.shards),
        FOLIO_MODULES: options.modules,
        FOLIO_CHAIN: options.chain ? "1" : "0",
      },
      onLine: ({ level, message, ...fields }) => {
        const isExpected = level === "info" || expectedMessages.has(String(message));
        if (!isExpected) violations.add(`Server logged ${level}: ${message} ${JSON.stringify(fields)}`);
      },
      onError: (text) => violations.add(`Server wrote to its standard error: ${text}`),
    });
    const server = new Server(child);
    child.ended.then(({ code, signal }) => {
      server.hasEndedItself = ordeal?.kill !== undefined && signal === "SIGKILL" && !server.#isMeantToEnd;
      if (!server.#isMeantToEnd && !server.hasEndedItself) {
        violations.add(`Server ended by itself with code ${code}`);
      }
    });
    return server;
  }

  /** Resolves with the URL once it listens; undefined when it ended before. */
  async ready(): Promise<string | undefined> {
    const line = await this.child.lineWith("url");
    return line && String(line.url);
  }

  /** Resolves when the process is gone, whoever ended it. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.child.ended;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#isMeantToEnd = true;
    this.child.kill("SIGKILL");
    await this.child.ended;
  }

  /** Asks it to stop in good order. @returns Its exit code. */
  async stop(): Promise<number> {
    this.#isMeantToEnd = true;
    this.child.kill("SIGTERM");
    return (await this.child.ended).code;
  }
}
