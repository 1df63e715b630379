import type { StrayReading } from "../../src/core/stray.ts";
import type { ReactorStatus } from "../../src/runtime/reactor_models.ts";
import type { Registry } from "../../src/runtime/registry.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { allSeries } from "../../src/observe/series.ts";
import type { Series } from "../../src/observe/series_types.ts";
import {
  Lookout,
  type OpenSagaState,
  type Watched,
  type WatchedActivity,
} from "../../src/observe/watched.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

/** A runtime of which nothing is real but what a test sets. */
export class FakeRuntime implements Watched {
  readonly clock = new VirtualClock();
  isDraining = false;
  isServing = true;
  position = 0;
  /** By type: how many wait, and since when. */
  readonly queued = new Map<string, { depth: number; oldestAt: number }>();
  readonly circuits = new Map<string, NonNullable<WatchedActivity["circuit"]>["state"]>();
  readonly sagaCounts = new Map<OpenSagaState, number>();
  readonly followers: { projection: Status; reactor: Status } = {
    projection: { name: "p", status: "live", lagEvents: 0 },
    reactor: { name: "r", status: "live", lagEvents: 0 },
  };
  /** Type, command, how many. */
  readonly deadLetters: [string, string, number][] = [];
  isReadable = true;
  readonly database = {
    execute: () =>
      this.isReadable ? Promise.resolve(this.deadLetters) : Promise.reject(new Error("as planned")),
  };
  readonly projections = { list: () => [this.followers.projection] };
  readonly reactors = { list: () => [this.followers.reactor] };
  readonly activities = {
    list: () => Array.from(this.circuits, ([name, state]) => ({ name, running: 2, circuit: { state } })),
  };
  readonly strayed: StrayReading[] = [];
  readonly strays = { list: () => this.strayed };
  readonly sagas = {
    names: () => ["booking"],
    count: (_: string, state: OpenSagaState) => Promise.resolve(this.sagaCounts.get(state) ?? 0),
  };

  get shards() {
    const { isServing, queued } = this;
    return [{ number: 0, isServing, activations: 7, store: this, queues: () => queued }];
  }

  positions() {
    return new Map([[0, this.position]]);
  }
}

type Status = Pick<ReactorStatus, "name" | "status" | "lagEvents" | "failure">;

/** All series of a runtime that is looked at now. */
export async function seriesOf(watched: Watched, registry: Registry): Promise<Series[]> {
  const sight = await new Lookout(watched).look();
  return allSeries({
    metrics: new Metrics(registry, new VirtualClock(0)),
    sight: () => sight,
    alerts: () => [],
    memory: () => ({ rss: 1, heapUsed: 1 }),
    startedAt: 0,
  });
}
