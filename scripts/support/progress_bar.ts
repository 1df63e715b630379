import cliProgress from "cli-progress";

/** The part of the package that is used; it brings no types. */
interface Bar {
  start(total: number, value: number): void;
  setTotal(total: number): void;
  update(value: number): void;
  stop(): void;
}

/** A bar on standard error, where that is a terminal. */
export class ProgressBar {
  #bar: Bar | undefined;
  #total = 0;

  constructor(private readonly what: string) {}

  update(done: number, total: number): void {
    if (!this.#bar) {
      this.#bar = new cliProgress.SingleBar({
        format: `${this.what} {bar} {percentage} %, {value} of {total} events, {eta_formatted} to go`,
        hideCursor: true,
      }) as Bar;
      this.#bar.start(total, done);
    }
    this.#total = total;
    this.#bar.setTotal(total);
    this.#bar.update(done);
  }

  /** All of it is done. */
  finish(): void {
    this.#bar?.update(this.#total);
    this.stop();
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
