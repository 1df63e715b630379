import cliProgress from "cli-progress";
import type { Terminal } from "./terminal.ts";

/** The part of the package that is used; it brings no types. */
interface Bar {
  start(total: number, value: number): void;
  setTotal(total: number): void;
  update(value: number): void;
  render(): void;
  stop(): void;
}

const CLEAR_LINE = "\r\x1b[K";
/** The cursor's place, saved and restored: where lines are printed above the bar, it is another one by then. */
const unwanted: ReadonlySet<string> = new Set(["\x1b7", "\x1b8"]);

/** A bar on standard error, where that is a terminal, once the work has taken a moment. */
export class ProgressBar {
  readonly #createdAt = performance.now();
  #bar: Bar | undefined;
  #done = 0;
  #total = 0;

  /** @param unit What is counted; `bytes` are shown in megabytes. */
  constructor(
    private readonly terminal: Terminal,
    private readonly what: string,
    private readonly unit = "events",
  ) {}

  update(done: number, total: number): void {
    const { progress } = this.terminal;
    if (!progress || performance.now() - this.#createdAt < progress.afterMs) return;
    this.#bar ??= this.#start(progress, done, total);
    [this.#done, this.#total] = [done, total];
    this.#bar.setTotal(total);
    this.#bar.update(done);
  }

  /** A line of standard output above the bar. */
  print(line: string): void {
    if (this.#bar) this.terminal.progress?.write(CLEAR_LINE);
    this.terminal.print(line);
    this.#bar?.render();
  }

  /** All of it is done. */
  finish(): void {
    if (this.#done < this.#total) this.#bar?.update(this.#total);
    this.stop();
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #start({ columns, write }: NonNullable<Terminal["progress"]>, done: number, total: number): Bar {
    const isBytes = this.unit === "bytes";
    const unit = isBytes ? "MB" : this.unit;
    const bar = new cliProgress.SingleBar({
      stream: { isTTY: true, columns, write: (text: string) => unwanted.has(text) || write(text) },
      format: `${this.what} {bar} {percentage} %, {value} of {total} ${unit}, {eta_formatted} to go`,
      formatValue: (value: number, _: unknown, type: string) =>
        isBytes && type !== "percentage" ? (value / 1e6).toFixed(1) : value,
      formatTime: (seconds: unknown) => typeof seconds === "number" ? timeText(seconds) : "?",
      barsize: 24,
      // Otherwise a terminal whose program is killed would wrap no lines any more.
      linewrap: true,
      // Also where nothing has changed but a line above it.
      forceRedraw: true,
      // It would take Ctrl+C for itself, and let the program go on.
      gracefulExit: false,
    }) as Bar;
    bar.start(total, done);
    return bar;
  }
}

function timeText(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
