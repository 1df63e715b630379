import type { Clock } from "../core/clock.ts";
import { FolioError } from "../core/errors.ts";
import { aboutMessage, type Log } from "../core/log.ts";
import type { Message } from "../core/message.ts";
import { entryKey } from "./loader.ts";
import type { Entry } from "./mailbox.ts";
import type { ChangeOptions } from "./unsent.ts";

/** What of a message the store has refused: each is tried when the one before it is refused, too. */
type Refused = "turn" | "failure" | "plain-failure" | "burial";

interface Refusal {
  readonly refused: Refused;
  readonly error: FolioError<"store-refused">;
  /** Whether it has to be recorded yet. */
  isOpen: boolean;
}

/** Messages, admissions and timers remembered at the most, each; the oldest is forgotten for another. */
const REMEMBERED_MAX = 1_000;
/** A message that could not be admitted is not tried again before, however often it comes. */
const ADMISSION_AGAIN_MS = 60_000;
/** Said of a failure when the store does not take what there is to say. */
export const UNWRITABLE = "The store refuses what the message would write, and its error";

/**
 * What the store has refused when it was alone in its commit, and what is therefore done. Outlives the loading of the
 * shard that follows a refusal; after a restart it is found out anew.
 *
 * ```
 * its turn is refused ─▶ a failed attempt ─▶ … ─▶ dead letter
 *   that, too ─▶ without the error's text ─▶ dead letter whose row is only marked ─▶ its actor stands still
 * ```
 */
export class Refusals {
  readonly #messages = new Map<string, Refusal>();
  readonly #admissions = new Map<string, { readonly error: FolioError; readonly until: number }>();
  readonly #timers = new Set<string>();
  /** Actors with a turn that was refused with a snapshot, which may be what was refused, and can be done without. */
  readonly #bare = new Map<string, true>();

  constructor(private readonly world: { readonly clock: Clock; readonly log: Log }) {}

  /** How what a message's turn or attempt writes joins a commit: by itself where it has been refused before. */
  ofTurn(entry: Entry, hasSnapshot = false): ChangeOptions | undefined {
    // One that is not kept is over with its caller, who is told.
    if (!entry.durable && !hasSnapshot) return undefined;
    return {
      refused: (error) => {
        if (hasSnapshot) remember(this.#bare, entry.message.actor, true);
        if (entry.durable) this.#add(entry, error, "turn");
      },
      isSuspect: this.isKnown(entry),
    };
  }

  /** The same of a failed attempt, or of a burial. */
  ofFailure(entry: Entry): ChangeOptions {
    const refused = this.mustMark(entry) ? "burial" : this.mustBePlain(entry) ? "plain-failure" : "failure";
    return { ...this.ofTurn(entry), refused: (error) => this.#add(entry, error, refused) };
  }

  /** The same of an admission; what is tried again too soon is refused by `checkAdmission`. */
  ofAdmission({ message }: Entry): ChangeOptions {
    return {
      refused: (error) => {
        const until = this.world.clock.now() + ADMISSION_AGAIN_MS;
        remember(this.#admissions, entryKey(message), { error, until });
        this.#log("Store refuses a message, which is not admitted", message, error);
      },
    };
  }

  /** The same of a timer that fires. */
  ofTimer(timer: { readonly id: string; readonly actor: string; readonly name: string }): ChangeOptions {
    return {
      refused: (error) => {
        if (this.#timers.size >= REMEMBERED_MAX) this.#timers.clear();
        this.#timers.add(timer.id);
        const { actor, name } = timer;
        const fields = { actor, timer: name, error: error.message };
        this.world.log("error", "Store refuses what a timer sends: it waits for the next start", fields);
      },
    };
  }

  /** @throws {FolioError} `store-refused`, when the store has just refused this message. */
  checkAdmission(message: Message): void {
    if (this.#admissions.size === 0) return;
    const key = entryKey(message);
    const known = this.#admissions.get(key);
    if (known && known.until > this.world.clock.now()) throw known.error;
    this.#admissions.delete(key);
  }

  isTimerHeld({ id }: { readonly id: string }): boolean {
    return this.#timers.has(id);
  }

  /** Whether an actor's snapshots may be what the store refuses. */
  isBare(actor: string): boolean {
    return this.#bare.has(actor);
  }

  /** Whether the store has refused something of a message before. */
  isKnown(entry: Entry): boolean {
    return this.#messages.size > 0 && this.#messages.has(entryKey(entry.message));
  }

  /** What a message fails with instead of a turn, until `recorded`. */
  open(entry: Entry): FolioError | undefined {
    if (this.#messages.size === 0) return undefined;
    const refusal = this.#messages.get(entryKey(entry.message));
    return refusal?.isOpen ? refusal.error : undefined;
  }

  /** A failed attempt has joined a commit. Where that is lost, the turn is tried again. */
  recorded(entry: Entry): void {
    const refusal = this.#messages.get(entryKey(entry.message));
    if (refusal) refusal.isOpen = false;
  }

  /** Whether the store has refused the text of a failure. */
  mustBePlain(entry: Entry): boolean {
    const refused = this.#messages.get(entryKey(entry.message))?.refused;
    return refused !== undefined && refused !== "turn";
  }

  /** Whether the store takes nothing of a message's row any more, so that it can only be marked. */
  mustMark(entry: Entry): boolean {
    const refused = this.#messages.get(entryKey(entry.message))?.refused;
    return refused === "plain-failure" || refused === "burial";
  }

  /** Why nothing can be done about a message. */
  whyHeld(entry: Entry): FolioError | undefined {
    const refusal = this.#messages.get(entryKey(entry.message));
    return refusal?.refused === "burial" ? refusal.error : undefined;
  }

  /** The message has come to its end, or begins anew. */
  forget(entry: Entry): void {
    if (this.#messages.size > 0) this.#messages.delete(entryKey(entry.message));
  }

  #add(entry: Entry, error: FolioError, refused: Refused): void {
    if (!FolioError.is(error, "store-refused")) return;
    remember(this.#messages, entryKey(entry.message), { refused, error, isOpen: true });
    const what = refused === "turn" ? "what a message would write" : "the failure of a message";
    this.#log(`Store refuses ${what}`, entry.message, error);
  }

  #log(what: string, message: Message, error: FolioError): void {
    this.world.log("error", what, { ...aboutMessage(message), error: error.message });
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= REMEMBERED_MAX) { for (const oldest of [...map.keys()].slice(0, 1)) map.delete(oldest); }
  map.set(key, value);
}
