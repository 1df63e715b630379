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

/** What was looked for has been found wrong, and all of it has been printed: exit code 1, and no more words. */
export class FoundWrongError extends Error {
  override readonly name = "FoundWrongError";
}

/** What an operator is told of an error that can be expected; undefined for one that is a bug. */
export function expectedText(error: unknown): string | undefined {
  if (FolioError.is(error, "ambiguous-message")) return ambiguous(error.fields.actors);
  const kinds = [ScriptError, ConfigError, FolioError, DatabaseError, UnusableStoreError];
  return error instanceof Error && kinds.some((kind) => error instanceof kind) ? error.message : undefined;
}

/** Which actors were sent one message id. */
export function ambiguous(actors: readonly string[]): string {
  return `Several actors were sent that message: say which with --actor: ${actors.join(", ")}`;
}
