import type { AnyActivity } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import type { DiskFault } from "./simulated_disk.ts";

/** How often things go wrong, as chances between 0 and 1 of each write; none unless given. */
export interface Faults {
  /** A write fails and changes nothing. */
  readonly lost?: number;
  /** A write is done, but its answer is an error. */
  readonly unanswered?: number;
  /** The process dies before or after a write, and another one starts. */
  readonly crash?: number;
  /** A process is stopped before or after a write, another one takes its shards over, and the first goes on. */
  readonly takeover?: number;
  /** The process dies while a write is on its way, which arrives up to 2 seconds later, after another has begun. */
  readonly late?: number;
  /** The wall clock is set, to within 12 hours of the right time. */
  readonly clock?: number;
  /** A copy of a message between shards arrives once more, up to 30 seconds later, after others sent since. */
  readonly repeated?: number;
  /** The longest time that a request to the disk takes, in milliseconds. */
  readonly diskMsMax?: number;
  /** An attempt of an activity fails, before or after its side effect. */
  readonly activity?: number;
  /** An attempt of an activity never answers. */
  readonly hanging?: number;
  /** An attempt of an activity answers up to a minute late, whether or not it was told to stop. */
  readonly slow?: number;
}

/** What has gone wrong, by kind. */
export type FaultCounts = Record<string, number>;

const CLOCK_OFF_MS_MAX = 12 * 3_600_000;
const SLOW_MS_MAX = 60_000;

/** The most that each can be. */
const sizes: Required<Faults> = {
  ...{ lost: 1, unanswered: 1, crash: 1, takeover: 1, late: 1, clock: 1, repeated: 1 },
  ...{ diskMsMax: 3_600_000, activity: 1, hanging: 1, slow: 1 },
};

/** @throws {RangeError} When there is no such fault, or no such chance. */
export function checkFaults(faults: Faults): void {
  const known = new Map<string, number>(Object.entries(sizes));
  for (const [kind, size] of Object.entries(faults)) {
    const most = known.get(kind);
    if (most === undefined) {
      throw new RangeError(`There is no fault ${kind}: only ${[...known.keys()].join(", ")}`);
    }
    if (size !== undefined && !(size >= 0 && size <= most)) {
      throw new RangeError(`Fault ${kind} cannot be ${size}: from 0 to ${most}`);
    }
  }
}

/** Decides what goes wrong, and counts it. */
export class FaultDice {
  readonly counts: FaultCounts = {};
  isCalm = false;
  /** Attempts that are to fail, by activity. */
  readonly failing = new Map<string, number>();

  /** @throws {RangeError} When there is no such fault, or no such chance. */
  constructor(private readonly faults: Faults, readonly random: () => number) {
    checkFaults(faults);
  }

  /** What happens to a write. */
  write(): DiskFault {
    const { lost = 0, unanswered = 0, crash = 0, takeover = 0 } = this.faults;
    const fault = this.#pick([
      ["lost", lost],
      ["unanswered", unanswered],
      ["crash-before", crash / 2],
      ["crash-after", crash / 2],
      ["pause-before", takeover / 2],
      ["pause-after", takeover / 2],
    ]);
    if (fault) this.count(fault);
    return fault ?? "ok";
  }

  /** Whether something happens, of the kinds that are not a write's own. */
  happens(kind: "late" | "clock" | "repeated"): boolean {
    const share = this.isCalm ? 0 : this.faults[kind] ?? 0;
    if (share === 0 || this.random() >= share) return false;
    // Whether there is anything to repeat is seen later.
    if (kind !== "repeated") this.count(kind);
    return true;
  }

  /** How long a request to a disk takes. */
  delayMs(): number {
    return this.isCalm ? 0 : Math.floor(this.random() * ((this.faults.diskMsMax ?? 0) + 1));
  }

  /** How far the clock is off from now on: milliseconds as often as hours, either way. */
  clockOffMs(): number {
    const size = Math.floor(CLOCK_OFF_MS_MAX ** this.random());
    return this.random() < 0.5 ? -size : size;
  }

  count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  /**
   * An activity whose attempts fail, hang and are late.
   *
   * @param clock Of the process that they run in.
   * @param note Is told of it.
   */
  unreliable(inner: AnyActivity, clock: Clock, note: (what: string) => void): AnyActivity {
    return {
      ...inner,
      run: async (input, context) => {
        const times = this.failing.get(inner.name) ?? 0;
        if (times > 0) {
          this.failing.set(inner.name, times - 1);
          this.count("fails");
          note(`${inner.name} fails`);
          throw new Error(`${inner.name} failed, as planned`);
        }
        const { activity = 0, hanging = 0, slow = 0 } = this.faults;
        const fault = this.#pick([
          ["fails-before", activity / 2],
          ["fails-after", activity / 2],
          ["hangs-before", hanging / 2],
          ["hangs-after", hanging / 2],
          ["slow-before", slow / 2],
          ["slow-after", slow / 2],
        ]);
        if (fault) {
          this.count(fault.slice(0, fault.indexOf("-")));
          note(`${inner.name}: ${fault}`);
        }
        const end = async (wanted: string) => {
          if (fault === `fails-${wanted}`) throw new Error(`${inner.name} failed, as planned`);
          if (fault === `hangs-${wanted}`) await new Promise(() => {});
          const slowMs = this.random() * SLOW_MS_MAX;
          if (fault === `slow-${wanted}`) await new Promise<void>((resolve) => clock.after(slowMs, resolve));
        };
        await end("before");
        const output = await inner.run(input, context);
        await end("after");
        return output;
      },
    };
  }

  #pick<Kind extends string>(shares: readonly (readonly [Kind, number])[]): Kind | undefined {
    if (this.isCalm) return undefined;
    let chance = this.random();
    for (const [kind, share] of shares) {
      if (chance < share) return kind;
      chance -= share;
    }
    return undefined;
  }
}
