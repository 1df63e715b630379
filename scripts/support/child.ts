/** A program of this repository that runs in a process of its own and prints one JSON value a line. */
export interface Child {
  readonly pid: number;
  /** Resolves when the process has ended, however it ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** The next line that is a JSON object with this field; undefined when the process ends before. */
  lineWith(field: string): Promise<Record<string, unknown> | undefined>;
  kill(signal: Deno.Signal): void;
}

const root = new URL("../../", import.meta.url).pathname;
const children = new Set<Child>();

/**
 * Starts a script with this same Deno.
 *
 * @param script Path from the root of the repository.
 * @param onLine Is given each JSON object that it prints.
 * @param onError Is given what it writes to its standard error; otherwise that is passed through.
 */
export function startChild(
  script: string,
  options: {
    args?: string[];
    flags?: string[];
    env?: Record<string, string>;
    onLine?: (line: Record<string, unknown>) => void;
    onError?: (text: string) => void;
  } = {},
): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", ...options.flags ?? [], script, ...options.args ?? []],
    cwd: root,
    env: options.env ?? {},
    stdin: "null",
    stdout: "piped",
    stderr: options.onError ? "piped" : "inherit",
  }).spawn();
  const lines = new LineReader(process.stdout, options.onLine ?? (() => {}));
  const { onError } = options;
  const errors = onError
    ? process.stderr.pipeThrough(new TextDecoderStream()).pipeTo(new WritableStream({ write: onError }))
    : Promise.resolve();
  const child: Child = {
    pid: process.pid,
    ended: Promise.all([process.status, lines.ended, errors]).then(([status]) => {
      children.delete(child);
      return status;
    }),
    lineWith: (field) => lines.next((line) => field in line),
    kill(signal) {
      try {
        process.kill(signal);
      } catch (error) {
        // It has ended already.
        if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
  children.add(child);
  return child;
}

/** Ends a child and waits until it is gone. */
export async function endChild(child: Child): Promise<void> {
  child.kill("SIGKILL");
  await child.ended;
}

/** Does some work, and lets none of the children that it has started live longer than it. */
export async function withChildren<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await Promise.all([...children].map(endChild));
  }
}

/** Reads an output to its end, so that the process is never held up, and hands lines on to those who wait. */
class LineReader {
  readonly ended: Promise<void>;
  readonly #lines: Record<string, unknown>[] = [];
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(
    output: ReadableStream<Uint8Array>,
    private readonly onLine: (line: Record<string, unknown>) => void,
  ) {
    this.ended = this.#read(output);
  }

  async next(
    isWanted: (line: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown> | undefined> {
    while (true) {
      for (let line = this.#lines.shift(); line; line = this.#lines.shift()) if (isWanted(line)) return line;
      if (this.#isEnded) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    }
    this.#isEnded = true;
    this.#wake();
  }

  #take(line: string): void {
    if (!line.startsWith("{")) return;
    let parsed: Record<string, unknown>;
    try {
      parsed = JSON.parse(line);
    } catch {
      return; // cut off by the end of the process
    }
    this.onLine(parsed);
    // A log that nobody waits for must not grow without end.
    if (this.#lines.length < LINES_MAX) this.#lines.push(parsed);
    this.#wake();
  }
}

const LINES_MAX = 1_000;
