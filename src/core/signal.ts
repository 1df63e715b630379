/** Tells all listeners that something has happened: a hint to look, never the news itself. */
export class Signal<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  /** @returns A function that ends the subscription. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}
