import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { ConfigError } from "../../src/config.ts";
import { FolioError } from "../../src/core/errors.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { UnusableStoreError } from "../../src/store/migrations.ts";

/** The command line is at fault: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was asked for cannot be done, for a reason that an operator can see or mend: exit code 1. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
}

/** What a script takes beside `--help`. */
export interface ScriptShape<Options extends ParseArgsOptionsConfig> {
  /** Printed by `--help`, with examples. */
  readonly usage: string;
  readonly options: Options;
}

type Flags<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>["values"];

/**
 * Parses the command line and runs the script. What an operator can mend is said in one line; anything else
 * is a bug, and keeps its stack.
 */
export async function runScript<const Options extends ParseArgsOptionsConfig>(
  { usage, options }: ScriptShape<Options>,
  main: (flags: Flags<Options>, words: readonly string[]) => Promise<void>,
): Promise<void> {
  if (Deno.args.some((word) => word === "--help" || word === "-h")) return console.log(usage);
  try {
    const { values, positionals } = parse(options);
    await main(values, positionals);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n(--help says more)`);
      Deno.exit(2);
    }
    console.error(isExpected(error) ? error.message : error);
    Deno.exit(1);
  }
}

/**
 * A whole number from 1, or undefined where the flag is not given.
 *
 * @throws {UsageError}
 */
export function countFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new UsageError(`Cannot use --${name} ${text}: it must be a whole number from 1`);
  }
  return Number(text);
}

/** Text that a terminal shows as it is: what would steer the terminal is escaped as in JSON. */
export function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex -- they are what is looked for
    /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function parse<const Options extends ParseArgsOptionsConfig>(options: Options) {
  try {
    return parseArgs({ args: Deno.args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function isExpected(error: unknown): error is Error {
  return [ScriptError, ConfigError, FolioError, DatabaseError, UnusableStoreError]
    .some((kind) => error instanceof kind);
}
