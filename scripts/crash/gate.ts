/** Where the server is while there is one. Whoever wants it waits here while it is down. */
export class Gate {
  #url: string | undefined;
  #isEnded = false;
  #waiting: (() => void)[] = [];

  open(url: string): void {
    this.#url = url;
    this.#wake();
  }

  close(): void {
    this.#url = undefined;
  }

  /** There will be no server any more. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The server's URL, as soon as there is one; undefined once there will be none. */
  async url(): Promise<string | undefined> {
    while (!this.#isEnded) {
      if (this.#url !== undefined) return this.#url;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return undefined;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
