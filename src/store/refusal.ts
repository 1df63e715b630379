import { DatabaseError } from "./database.ts";

/**
 * The store has undone a commit, and would undo it again: because of what is in it, and not because of how the
 * store is just now. Nothing was written.
 */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** Result codes of SQLite, here or on a server, that are about a value, whatever is told behind them. */
const aboutValues = /^(SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)|ARGS_INVALID)/;
/** The same by number, of a server whose driver has no name for the whole code: TOOBIG, CONSTRAINT, MISMATCH, RANGE. */
const numbersAboutValues: readonly number[] = [18, 19, 20, 25];
/** SQLITE_ERROR is for want of a better code: of a value (malformed JSON), and of a store that is not as it should be. */
const aboutStore =
  /\bno such |\btransaction\b|\blocked\b|\bdisk\b|\bdatabase\b|\bread-?only\b|has no column/i;
/** What never got as far as SQLite: what a driver says of values that it cannot bind. */
const unbound = /^Cannot bind |\bcan only bind\b|^Unsupported type of value/;
/** A server, or a gateway before it, that takes no request as long as this. */
const tooLong = /\bHTTP status 413\b/;

/**
 * Whether a write that failed so would fail again, and another one would not. False where in doubt (busy, full, out
 * of reach, an answer that did not come): then it is waited for the store, and no message is blamed.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  const { code, message } = error;
  if (aboutValues.test(code)) return true;
  const number = /^UNKNOWN_SQLITE_ERROR_(\d+)$/.exec(code)?.[1];
  // The low byte is the primary code.
  if (number !== undefined) return numbersAboutValues.includes(Number(number) & 0xff);
  if (/^SQLITE_ERROR\b/.test(code)) return !aboutStore.test(message);
  if (code === "SERVER_ERROR") return tooLong.test(message);
  return code === "UNKNOWN" && unbound.test(message);
}
