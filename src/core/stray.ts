/** What was seen of promises that were rejected and that nobody awaits. */
export interface StrayReading {
  /** The activity during which it was; `none` where it was none, or is not known. */
  readonly activity: string;
  /** So many since the process has started. */
  readonly count: number;
  /** The latest, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly error: string;
}
