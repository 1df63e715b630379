import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Settings that a test does not give are not set, whatever the environment of the tests is. */
const unset = Object.fromEntries(
  ["HOST", "DATA_TOKEN", "SHARDS", "TOKEN", "MODULES", "LOG", "WEBHOOKS_ALLOW_PRIVATE"].map((
    name,
  ) => [`FOLIO_${name}`, ""]),
);

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly url?: string;
  readonly [field: string]: unknown;
}

/** A real process of the server. It ends with the test. */
export class ServerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  readonly ended: Promise<Deno.CommandStatus>;
  url = "";

  constructor(env: Readonly<Record<string, string>>, options: { cwd?: string } = {}) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", main],
      env: { ...unset, FOLIO_PORT: "0", NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(splitLines())
      .getReader();
    this.#stderr = new Response(this.#child.stderr).text();
    let isOver = false;
    this.ended = this.#child.status.finally(() => isOver = true);
    onTestFinished(async () => {
      if (!isOver) this.#child.kill("SIGKILL");
      await this.ended;
      await this.#lines.cancel();
      await this.#stderr;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** The next line of its log with this message. @throws {Error} When it ends without. */
  async logged(message: string): Promise<LogLine> {
    while (true) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`Ended without "${message}": ${await this.#stderr}`);
      const line: LogLine = JSON.parse(value);
      if (line.message === message) return line;
    }
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** How it ended, and what it said on its standard error. */
  async outcome(): Promise<{ code: number; stderr: string }> {
    const { code } = await this.ended;
    return { code, stderr: await this.#stderr };
  }

  /** Ends it in good order. */
  async stop(): Promise<{ code: number; stderr: string }> {
    this.kill("SIGTERM");
    return await this.outcome();
  }

  async post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> {
    return await fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  // deno-lint-ignore no-explicit-any -- JSON of another shape for each route
  async json(path: string): Promise<any> {
    return await (await fetch(this.url + path)).json();
  }

  /** A connection for what no HTTP client would send. */
  async connect(): Promise<Wire> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    return new Wire(connection);
  }
}

/** Starts a server, and waits until it serves. */
export async function start(
  env: Readonly<Record<string, string>>,
  options: { cwd?: string } = {},
): Promise<ServerProcess> {
  const server = new ServerProcess(env, options);
  server.url = (await server.logged("Folio is ready")).url ?? "";
  return server;
}

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = Deno.makeTempDirSync();
  onTestFinished(() => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

/** Bytes, as they go over the wire. */
export class Wire {
  constructor(private readonly connection: Deno.TcpConn) {
    onTestFinished(() => {
      try {
        connection.close();
      } catch {
        // the test has closed it
      }
    });
  }

  async send(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  /** Everything up to the end of the connection, or until `isEnough`. */
  async receive(isEnough: (text: string) => boolean = () => false): Promise<string> {
    let text = "";
    const buffer = new Uint8Array(65_536);
    while (!isEnough(text)) {
      const count = await this.connection.read(buffer).catch(() => null);
      if (count === null) return text;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return text;
  }

  /** Says that nothing more will come, and still listens. */
  async closeWrite(): Promise<void> {
    await this.connection.closeWrite().catch(() => {}); // the server may have hung up
  }

  close(): void {
    this.connection.close();
  }
}

function splitLines(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) controller.enqueue(line);
    },
  });
}
