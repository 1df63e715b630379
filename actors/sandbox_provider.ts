import { FinalError } from "folio";

/** What the sandbox has done, one line of JSON each. */
type Entry =
  | { readonly kind: "failed"; readonly key: string; readonly card: string }
  | {
    readonly kind: "charged";
    readonly id: string;
    readonly key: string;
    readonly amount: number;
    readonly card: string;
  }
  | { readonly kind: "refunded"; readonly id: string; readonly key: string; readonly charge: string };

type Charge = Entry & { kind: "charged" };

/** Cards that do as their names say; so do numbers of 12 to 19 digits, which are good. */
export const testCards = {
  good: "card-good",
  declines: "card-declines",
  failsTwice: "card-fails-twice",
  timesOut: "card-times-out",
} as const;

/**
 * A payment provider in this process, for those who have no other: it moves no money, but keeps its books in a
 * file, so that what it was asked before a crash it still knows after it.
 */
export class SandboxProvider {
  readonly #entries: Entry[] = [];
  /** Whether the file ends within a line: what it says there was never answered. */
  #isTorn = false;

  /** @param path The file, made with the first entry. */
  constructor(readonly path: string) {
    let text = "";
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const lines = text.split("\n");
    this.#isTorn = lines.pop() !== "";
    for (const line of lines) {
      const entry = parse(line);
      if (entry) this.#entries.push(entry);
    }
  }

  /** Everything it has done, oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /**
   * Charges a card, once for each key, or says why not.
   *
   * @throws {FinalError} When the key was used for something else.
   */
  async charge(
    { amount, card }: { amount: number; card: string },
    key: string,
    signal: AbortSignal,
  ): Promise<{ id: string; amount: number } | { declined: string }> {
    const known = this.#entries.find((entry): entry is Charge =>
      entry.kind === "charged" && entry.key === key
    );
    if (known) {
      if (known.amount !== amount || known.card !== card) throw new FinalError(`Key ${key} is used already`);
      return { id: known.id, amount };
    }
    if (card === testCards.declines) {
      this.#add({ kind: "failed", key, card });
      return { declined: "Card declined" };
    }
    if (card === testCards.timesOut) {
      this.#add({ kind: "failed", key, card });
      await aborted(signal);
    }
    if (card === testCards.failsTwice && this.#failures(key) < 2) {
      this.#add({ kind: "failed", key, card });
      throw new Error("Payment provider is out of order");
    }
    const isGood = card === testCards.good || card === testCards.failsTwice ||
      /^\d{12,19}$/.test(card.replaceAll(" ", ""));
    if (!isGood) {
      this.#add({ kind: "failed", key, card });
      return { declined: `There is no card "${card}": use one of ${Object.values(testCards).join(", ")}` };
    }
    const id = `charge-${this.#entries.length + 1}`;
    this.#add({ kind: "charged", id, key, amount, card });
    return { id, amount };
  }

  /**
   * Gives a charge back, once however often it is asked for.
   *
   * @throws {FinalError} When there is no such charge.
   */
  refund(charge: string, key: string): { id: string } {
    const known = this.#entries.find((entry) => entry.kind === "refunded" && entry.charge === charge);
    if (known?.kind === "refunded") return { id: known.id };
    if (!this.#entries.some((entry) => entry.kind === "charged" && entry.id === charge)) {
      throw new FinalError(`There is no charge ${charge}`);
    }
    const id = `refund-${this.#entries.length + 1}`;
    this.#add({ kind: "refunded", id, key, charge });
    return { id };
  }

  #failures(key: string): number {
    return this.#entries.filter((entry) => entry.kind === "failed" && entry.key === key).length;
  }

  #add(entry: Entry): void {
    const line = `${this.#isTorn ? "\n" : ""}${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`;
    Deno.writeTextFileSync(this.path, line, { append: true });
    this.#isTorn = false;
    this.#entries.push(entry);
  }
}

/** A line of the file, unless the process died while it was written. */
function parse(line: string): Entry | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Never resolves: rejects with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
