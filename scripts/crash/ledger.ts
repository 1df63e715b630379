/** How a command was sent: awaiting its reply, with `Prefer: respond-async`, or with `Folio-Delay`. */
export type Mode = "ask" | "async" | "delayed";

/** A command as its sender knows it. */
export interface Command {
  readonly actor: string;
  readonly command: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Of the event that it records; no two commands have the same. */
  readonly mark: string;
  readonly mode: Mode;
  /** Its Idempotency-Key, if it has one. */
  readonly key: string | undefined;
  /** Commands of one sender to one actor must take effect in this order; undefined where none is promised. */
  readonly order: { readonly sender: string; readonly place: number } | undefined;
  readonly delayMs: number;
}

/** What the server said of a command. */
export type Answer =
  | {
    readonly kind: "done";
    readonly messageId: string;
    readonly version: number;
    readonly position: number;
    readonly reply: unknown;
    readonly text: string;
  }
  | { readonly kind: "accepted"; readonly messageId: string; readonly text: string }
  | { readonly kind: "rejected"; readonly text: string }
  /** It may have been recorded or not. */
  | { readonly kind: "unknown" }
  /** It was not recorded. */
  | { readonly kind: "refused" }
  /** The same key is being handled at this moment. */
  | { readonly kind: "in-progress" };

export type Acknowledgement = Answer & { kind: "done" | "accepted" | "rejected" };

/** What senders have sent, and what they were told of it. */
export class Ledger {
  /** By their marks. */
  readonly sent = new Map<string, Command>();
  readonly acknowledged = new Map<Command, Acknowledgement>();
  /** Acknowledged since the last check. */
  readonly unchecked: Command[] = [];
  /** Marks of commands whose event must be in the log, and has not been seen there yet. */
  readonly awaited = new Set<string>();
  /** Marks of commands that the server said it has not recorded. */
  readonly denied = new Set<string>();
  /** Keyed commands that nobody knows the fate of. */
  readonly unknownKeyed = new Set<Command>();
  unknown = 0;
  repeated = 0;
  #watch: { count: number; reached: () => void } | undefined;

  send(command: Command): void {
    if (this.sent.has(command.mark)) throw new Error(`Two commands have the mark ${command.mark}`);
    this.sent.set(command.mark, command);
  }

  /** @param hasEvent Whether its event has been seen already. */
  acknowledge(command: Command, answer: Acknowledgement, hasEvent: boolean): void {
    this.unknownKeyed.delete(command);
    this.acknowledged.set(command, answer);
    this.unchecked.push(command);
    if (answer.kind === "rejected") this.denied.add(command.mark);
    else if (!hasEvent) this.awaited.add(command.mark);
    if (this.#watch && --this.#watch.count <= 0) this.#watch.reached();
  }

  lose(command: Command): void {
    this.unknown++;
    if (command.key !== undefined) this.unknownKeyed.add(command);
  }

  deny(command: Command): void {
    this.unknownKeyed.delete(command);
    this.denied.add(command.mark);
  }

  /** Resolves when so many more commands have been acknowledged, counted from now. */
  reached(count: number): Promise<void> {
    if (count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#watch = { count, reached: resolve });
  }
}
