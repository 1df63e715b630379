import type { History } from "./history.ts";
import type { Command, Mode } from "./ledger.ts";
import { type Field, Sender } from "./senders.ts";

const names = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${index}`);
const counters = names("c", 8);
const accounts = names("a", 6);
const forwarders = names("f", 4);
const inboxes = names("i", 4);
const alarms = names("t", 4);
const vaults = names("v", 4);
const listeners = names("l", 4);
const parcels = names("p", 16);

/** A counter refuses to be incremented by more; when these numbers are used up, other counters take over. */
const BY_MAX = 1_000_000;
const BURST = 16;

/** A command of whose commit everything follows that can; its saga is begun by the commit, or not at all. */
export function volleyOf(
  tag: number,
  { moves }: History,
  options: { key: string; to: string[]; order?: Command["order"]; afterMs: number },
): Command {
  const actor = `volley/${options.key}`;
  moves.send(`v${tag}`, true);
  return {
    actor,
    command: "fire",
    input: { tag, to: options.to, afterMs: options.afterMs, vaults: ["v0", "v1"] },
    mark: `${actor} Fired ${tag}`,
    mode: "ask",
    key: `fire-${tag}`,
    order: options.order,
    delayMs: 0,
  };
}

/** The loops of a mixed load: some in step with their answers, some with many commands at once. */
export function createSenders(field: Field): Sender[] {
  const kinds = [
    Bursts,
    Posts,
    Posts,
    Delays,
    Bank,
    Bank,
    Bank,
    Bank,
    Forwards,
    Forwards,
    Forwards,
    Timers,
    Timers,
    Sagas,
    Sagas,
    Everything,
    Parcels,
  ];
  return kinds.map((Kind, index) => new Kind(field, index));
}

/** What all increments have in common. */
abstract class Increments extends Sender {
  protected increment(
    mode: Mode,
    options: { isKeyed: boolean; isOrdered: boolean; delayMs?: number },
  ): Command {
    const tag = this.nextTag();
    const by = tag % BY_MAX + 1;
    const generation = Math.floor(tag / BY_MAX);
    const actor = `counter/${this.field.random.pick(counters)}${generation === 0 ? "" : `-${generation}`}`;
    return {
      actor,
      command: "increment",
      input: { by },
      mark: `${actor} Incremented ${by}`,
      mode,
      key: options.isKeyed ? `increment-${tag}` : undefined,
      order: options.isOrdered ? this.order(tag) : undefined,
      delayMs: options.delayMs ?? 0,
    };
  }
}

/** Unkeyed increments, many at the same time: nobody promises an order. */
class Bursts extends Increments {
  protected async step(): Promise<void> {
    const burst = Array.from(
      { length: BURST },
      () => this.increment("ask", { isKeyed: false, isOrdered: false }),
    );
    await Promise.all(burst.map((command) => this.deliver(command)));
  }
}

/** Increments by respond-async, the next one as soon as one is accepted. */
class Posts extends Increments {
  protected step(): Promise<void> {
    const isKeyed = this.field.random.chance(0.5);
    return this.deliver(this.increment("async", { isKeyed, isOrdered: true }));
  }
}

/** Increments that are to be delivered later, some of them after the next kill. */
class Delays extends Increments {
  protected step(): Promise<void> {
    const { random } = this.field;
    const delayMs = random.int(1, random.chance(0.2) ? 1_000 : 200);
    return this.deliver(
      this.increment("delayed", { isKeyed: random.chance(0.5), isOrdered: false, delayMs }),
    );
  }
}

/** Accounts: every command has a key, and many are rejected. */
class Bank extends Sender {
  protected step(): Promise<void> {
    const { random } = this.field;
    const tag = this.nextTag();
    const actor = `account/${random.pick(accounts)}`;
    const [command, input, event] = random.chance(0.03)
      ? ["open", { owner: String(tag) }, "Opened"] as const
      : random.chance(0.6)
      ? ["deposit", { amount: tag }, "Deposited"] as const
      : ["withdraw", { amount: tag }, "Withdrawn"] as const;
    return this.deliver({
      actor,
      command,
      input,
      mark: `${actor} ${event} ${tag}`,
      mode: "ask",
      key: `${command}-${tag}`,
      order: this.order(tag),
      delayMs: 0,
    });
  }
}

/** Messages that are sent on to other actors, in this shard and in others. */
class Forwards extends Sender {
  protected step(): Promise<void> {
    const { random } = this.field;
    const tag = this.nextTag();
    const actor = `forwarder/${random.pick(forwarders)}`;
    return this.deliver({
      actor,
      command: "forward",
      input: { tag, to: random.some(inboxes, random.int(1, 3)) },
      mark: `${actor} Forwarded ${tag}`,
      mode: random.chance(0.7) ? "async" : "ask",
      key: random.chance(0.5) ? `forward-${tag}` : undefined,
      order: this.order(tag),
      delayMs: 0,
    });
  }
}

/** Timers that are set, set anew under the same name, and dropped; many are due after the next kill. */
class Timers extends Sender {
  protected step(): Promise<void> {
    const { random } = this.field;
    const tag = this.nextTag();
    const actor = `alarm/${random.pick(alarms)}`;
    const name = random.pick(["x", "y", "z"]);
    const common = { actor, mode: "ask", key: `alarm-${tag}`, order: this.order(tag), delayMs: 0 } as const;
    return random.chance(0.2)
      ? this.deliver({ ...common, command: "drop", input: { tag, name }, mark: `${actor} Dropped ${tag}` })
      : this.deliver({
        ...common,
        command: "arm",
        input: { tag, name, afterMs: random.int(1, random.chance(0.2) ? 1_000 : 100) },
        mark: `${actor} Armed ${tag}`,
      });
  }
}

/** Sagas that succeed, and others that take back what they have done. */
class Sagas extends Sender {
  protected step(): Promise<void> {
    const { random } = this.field;
    const move = `m${this.nextTag()}`;
    const [from, to] = random.some(vaults, 2);
    return this.begin(move, { move, from, to, isWanted: random.chance(0.6) });
  }
}

/** One commit with every kind of row. A timer that is set anew would not ring: each has an actor of its own. */
class Everything extends Sender {
  protected step(): Promise<void> {
    const { random, history } = this.field;
    const tag = this.nextTag();
    const to = random.some(listeners, 2);
    return this.deliver(volleyOf(tag, history, { key: `s${tag}`, to, afterMs: random.int(1, 100) }));
  }
}

/** Actors that are closed and go on, so that what is archived of them is not all there is. */
class Parcels extends Sender {
  protected step(): Promise<void> {
    const { random } = this.field;
    const tag = this.nextTag();
    const actor = `parcel/${random.pick(parcels)}`;
    const [command, event] = random.chance(0.4) ? ["seal", "Sealed"] as const : ["pack", "Packed"] as const;
    return this.deliver({
      actor,
      command,
      input: { tag },
      mark: `${actor} ${event} ${tag}`,
      mode: "ask",
      key: `${command}-${tag}`,
      order: this.order(tag),
      delayMs: 0,
    });
  }
}
