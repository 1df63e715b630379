/** A map that forgets its oldest entries when there are more than `max`. */
export class BoundedMap<Key, Value> {
  readonly #map = new Map<Key, Value>();

  constructor(private readonly max: number) {}

  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  set(key: Key, value: Value): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.max) return;
    for (const oldest of this.#map.keys()) {
      this.#map.delete(oldest);
      return;
    }
  }

  /** Removes an entry. @returns What it was. */
  take(key: Key): Value | undefined {
    const value = this.#map.get(key);
    this.#map.delete(key);
    return value;
  }
}
