import { type AskResult, FolioError } from "../../src/mod.ts";
import { SimulatedCrash, type Simulation } from "../../src/testing/mod.ts";
import type { OpenRuntime } from "../../src/create_runtime.ts";
import type { Choice, Workload } from "./workload.ts";

/** What a client has asked, and what it was told. */
export interface Call extends Choice {
  readonly id: string;
  /** Whether it may be repeated: it has a name that it is known by. */
  readonly isNamed: boolean;
  /** Places in the order of all beginnings and ends. */
  readonly startedAt: number;
  endedAt: number | undefined;
  /** Of `ask`. */
  result: AskResult<unknown, unknown> | undefined;
  /** Of `read`. */
  seen: { readonly state: unknown; readonly version: number } | undefined;
  /** Of `send`: when it is to be delivered. */
  deliverAt: number | undefined;
  expiresAt: number | undefined;
  /** What every try has ended with but the last, or all of them. */
  readonly errors: string[];
}

/** What all clients have seen, in the order of one observer. */
export class History {
  readonly calls: Call[] = [];
  #order = 0;

  tick(): number {
    return ++this.#order;
  }
}

const TRIES_MAX = 60;
const RETRY_MS = 700;
/** A client asks a process that has been overtaken, if there is one, so often. */
const ASKS_OLDER = 0.4;

/** What would be said again. */
const final = new Set(["store-refused", "handler-failed"]);

/** Calls one after the other. Those with a name are repeated until they are answered. */
export async function runClient(
  sim: Simulation,
  workload: Workload,
  history: History,
  options: { readonly name: number; readonly calls: number; readonly pauseMsMax: number },
): Promise<void> {
  for (let made = 0; made < options.calls; made++) {
    await pause(sim, Math.floor(sim.random() ** 3 * options.pauseMsMax));
    const choice = workload.next();
    // A saga is started again until it is known to be; its id keeps it one.
    const isNamed = choice.kind === "send" || choice.isTainted || choice.request.type === "move" ||
      sim.random() < 0.7;
    const call: Call = {
      ...choice,
      id: `call-${options.name}-${made}`,
      isNamed,
      startedAt: history.tick(),
      ...{ endedAt: undefined, result: undefined, seen: undefined },
      ...{ deliverAt: undefined, expiresAt: undefined },
      errors: [],
    };
    history.calls.push(call);
    sim.note(`${call.id}: ${told(call)}`);
    // One without a name must not be repeated: it may have been handled.
    for (let tries = 0; tries < (isNamed ? TRIES_MAX : 1) && call.endedAt === undefined; tries++) {
      try {
        const on = sim.random() < ASKS_OLDER ? "older" : "newest";
        await sim.begin((runtime) => make(call, runtime), on);
        call.endedAt = history.tick();
        sim.note(`${call.id} is answered ${JSON.stringify(call.result ?? call.seen ?? "taken")}`);
      } catch (error) {
        if (!(error instanceof SimulatedCrash) && !(error instanceof FolioError)) throw error;
        const code = error instanceof FolioError ? error.code : "crash";
        call.errors.push(code);
        sim.note(`${call.id} ends with ${code}`);
        if (final.has(code)) break;
        await pause(sim, RETRY_MS);
      }
    }
  }
}

function told({ kind, request, isNamed }: Call): string {
  const { type, key, command, input } = request;
  return `${kind} ${type}/${key} ${kind === "read" ? "" : `${command} ${JSON.stringify(input)}`}${
    isNamed ? "" : " (not to be repeated)"
  }`;
}

async function make(call: Call, runtime: OpenRuntime): Promise<void> {
  const { id, isNamed, request, kind } = call;
  const named = isNamed ? { messageId: id } : { correlationId: id };
  if (kind === "read") {
    call.seen = await runtime.state(request.type, request.key);
  } else if (kind === "send") {
    call.deliverAt ??= runtime.clock.now() + (call.afterMs ?? 0);
    await runtime.send(request, { messageId: id, deliverAt: call.deliverAt });
  } else {
    if (call.expiresMs !== undefined) call.expiresAt ??= runtime.clock.now() + call.expiresMs;
    call.result = await runtime.ask(request, { ...named, expiresAt: call.expiresAt });
  }
}

function pause(sim: Simulation, ms: number): Promise<void> {
  return new Promise((resolve) => sim.clock.after(ms, resolve));
}
