import { FolioError } from "../core/errors.ts";
import type { LogStart } from "../runtime/log_start.ts";
import type { ReactorModels, ReactorReplay, ReactorStatus } from "../runtime/reactor_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ReactorFollower } from "./reactor_follower.ts";
import { ReactorReplays } from "./reactor_replay.ts";

/** A reactor that follows the logs, and what it is made to answer once more. */
interface Followed {
  readonly followers: readonly ReactorFollower[];
  readonly replays: ReactorReplays;
}

/** Lets all reactors of the runtime's modules follow the logs. */
export class Reactors implements ReactorModels {
  readonly #followed = new Map<string, Followed>();

  constructor(private readonly runtime: Runtime) {}

  async start(): Promise<void> {
    const { registry, shards } = this.runtime;
    for (const reactor of registry.reactors.values()) {
      const followers = shards.map((shard) => new ReactorFollower(this.runtime, reactor, shard));
      const replays = new ReactorReplays(this.runtime, reactor, followers);
      this.#followed.set(reactor.name, { followers, replays });
      for (const follower of followers) follower.start();
    }
    for (const { replays } of this.#followed.values()) await replays.resume();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(async ({ followers, replays }) => {
      await replays.stop();
      await Promise.all(followers.map((follower) => follower.stop()));
    }));
  }

  list(): ReactorStatus[] {
    return [...this.#followed].map(([name, { followers, replays }]) => {
      const failure = followers.find((follower) => follower.failure)?.failure;
      const replay = replays.status();
      return {
        name,
        status: failure ? "failed" : "live",
        lagEvents: followers.reduce((lag, follower) => lag + follower.lagEvents, 0),
        ...(failure ? { failure } : {}),
        ...(replay ? { replay } : {}),
      };
    });
  }

  // deno-lint-ignore require-await -- async so that what is thrown here rejects
  async rehearse(name: string, from?: LogStart): Promise<ReactorReplay> {
    return this.#find(name).replays.rehearse(from);
  }

  async resend(name: string, from?: LogStart): Promise<ReactorStatus> {
    await this.#find(name).replays.resend(from);
    return this.#status(name);
  }

  async cancelReplay(name: string): Promise<ReactorStatus> {
    await this.#find(name).replays.cancel();
    return this.#status(name);
  }

  /** Resolves when nothing is being sent again any more; for tests and scripts. */
  async replayed(): Promise<void> {
    for (const { replays } of this.#followed.values()) await replays.replayed();
  }

  #status(name: string): ReactorStatus {
    return this.list().find((status) => status.name === name) ?? { name, status: "live", lagEvents: 0 };
  }

  #find(name: string): Followed {
    const followed = this.#followed.get(name);
    if (followed) return followed;
    throw new FolioError("unknown-reactor", "There is no reactor of that name", {
      reactor: name.slice(0, 64),
    });
  }
}
