import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { reactor } from "../../src/core/reactor.ts";
import { Reactors } from "../../src/processors/reactors.ts";
import { Relay } from "../../src/processors/relay.ts";
import { World, type WorldOptions } from "../support/world.ts";

/** Says numbers. */
export const source = actor("source", {
  initialState: () => 0,
  events: { Said: z.object({ n: z.int() }), Ignored: z.object({}) },
  evolve: { Said: (state) => state + 1, Ignored: (state) => state },
  commands: {
    say: command(z.object({ n: z.int() }), (turn, input) => turn.emit("Said", { n: input.n })),
    mumble: command(z.object({}), (turn) => turn.emit("Ignored", {})),
  },
});

export const listener = actor("listener", {
  initialState: () => [] as number[],
  events: { Heard: z.object({ n: z.int() }) },
  evolve: { Heard: (state, event) => [...state, event.n] },
  commands: { hear: command(z.object({ n: z.int() }), (turn, input) => turn.emit("Heard", { n: input.n })) },
});

export const tell = reactor("tell", {
  from: [source],
  startFrom: "beginning",
  on: {
    "source/Said": (react, event) => {
      react.send(listener.ref(event.key).hear({ n: event.payload.n }));
      react.send(listener.ref("all").hear({ n: event.payload.n }));
    },
  },
});

/** A world whose processors are started again with each of its lives. */
export class Followed {
  reactors!: Reactors;
  #relay!: Relay;
  private constructor(readonly world: World) {}

  static async start(options: Partial<WorldOptions> = {}): Promise<Followed> {
    const followed = new Followed(await World.start({ modules: [source, listener, tell], ...options }));
    followed.follow();
    return followed;
  }

  follow(): void {
    this.reactors = new Reactors(this.world.runtime);
    this.#relay = new Relay(this.world.runtime);
    void this.reactors.start();
    this.#relay.start();
  }

  async stop(): Promise<void> {
    await this.reactors.stop();
    await this.#relay.stop();
  }

  async say(key: string, n: number): Promise<void> {
    await this.world.runtime.ask(source.ref(key).say({ n }));
  }

  async heard(key: string): Promise<unknown> {
    await this.world.settle();
    return (await this.world.runtime.state("listener", key)).state;
  }
}
