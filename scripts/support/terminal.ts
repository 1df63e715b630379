import type { Fetch } from "../../src/client/types.ts";

/** What a command meets of the world around it; a test gives it another one. */
export interface Terminal {
  /** A line of what was asked for, on standard output. */
  print(line: string): void;
  /** A line of what is said beside it, on standard error. */
  note(line: string): void;
  /** A variable of the environment; an empty one counts as not set. */
  env(name: string): string | undefined;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Characters of a line of standard output, where that is a terminal. */
  readonly columns: number | undefined;
  /** Where progress is drawn: standard error, if that is a terminal; and after how long, for what is over soon. */
  readonly progress:
    | { readonly columns: number; readonly afterMs: number; write(text: string): void }
    | undefined;
  /** How servers are reached, where it is not the global `fetch`. */
  readonly fetch: Fetch | undefined;
}

/** Where an answer goes, and how it looks. */
export interface Output {
  readonly terminal: Terminal;
  /** Whether it is to be JSON. */
  readonly isJson: boolean | undefined;
}

/** The terminal of this process. */
export const realTerminal: Terminal = {
  print: (line) => write(Deno.stdout, `${line}\n`),
  note: (line) => write(Deno.stderr, `${line}\n`),
  env: (name) => Deno.env.get(name) || undefined,
  readInput: () => new Response(Deno.stdin.readable).text(),
  columns: Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined,
  progress: Deno.stderr.isTerminal()
    ? { columns: Deno.consoleSize().columns, afterMs: 500, write: (text) => write(Deno.stderr, text) }
    : undefined,
  fetch: undefined,
};

const encoder = new TextEncoder();

function write(stream: typeof Deno.stdout, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    // Who reads has enough, as `head` has: nobody is left to be told anything.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}
