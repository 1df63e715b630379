import { type Child, startChild } from "../support/child.ts";
import type { Violations } from "./violations.ts";

/** The real server, in a process of its own. */
export class Server {
  #isMeantToEnd = false;

  private constructor(private readonly child: Child) {}

  static start(options: { folder: string; shards: number; modules: string }, violations: Violations): Server {
    const child = startChild("src/main.ts", {
      env: {
        FOLIO_PORT: "0",
        FOLIO_DATA: options.folder,
        FOLIO_SHARDS: String(options.shards),
        FOLIO_MODULES: options.modules,
      },
      onLine: ({ level, message, ...fields }) => {
        const isExpected = level === "info" || message === "Handler failed, will be tried again";
        if (!isExpected) violations.add(`Server logged ${level}: ${message} ${JSON.stringify(fields)}`);
      },
      onError: (text) => violations.add(`Server wrote to its standard error: ${text}`),
    });
    const server = new Server(child);
    child.ended.then(({ code }) => {
      if (!server.#isMeantToEnd) violations.add(`Server ended by itself with code ${code}`);
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
