import type { CommandRequest } from "../core/command.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { CallOptions } from "./commands.ts";
import { type ModulesOptions, ModulesRunner, type RunWorld } from "./modules_run.ts";
import { story } from "./story.ts";

/** A command that modules are sent: `[account.ref("ann").deposit({ amount: 5 }), { after: 1_000 }]`. */
export type ModuleCall = readonly [request: CommandRequest, options?: Pick<CallOptions, "after">];

/** What modules are tried in, and with what. */
export interface CheckModulesOptions extends ModulesOptions, Partial<RunWorld> {}

/** Modules have done what none may. */
export class ModulesError extends Error {
  override readonly name = "ModulesError";

  constructor(
    /** Each thing that is wrong. */
    readonly findings: readonly string[],
    /** As `Simulation.trace` has it. */
    trace: readonly string[],
  ) {
    super([...findings, "", story(trace), ""].join("\n"));
  }
}

/**
 * Runs modules in a simulation, sends them commands, and checks that nothing comes of it that `fuzzModules` would
 * find. What that finds is told as a call of this. The commands are sent one after the other without waiting for
 * answers, and repeated, under the same message id, until they are answered.
 *
 * @param options `seed` (1) and `faults` (none): the same give the same run.
 * @throws {ModulesError} With all that is wrong.
 *
 * @example
 * ```ts
 * import { checkModules } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 * import { transfer } from "../../actors/transfer.ts";
 *
 * await checkModules([account, transfer], [
 *   [account.ref("a").open({ owner: "Ann" })],
 *   [account.ref("a").deposit({ amount: 5 })],
 *   [transfer.ref("t").start({ from: "a", to: "b", amount: 5 }), { after: 100 }],
 * ], { seed: 7, faults: { crash: 0.1 } });
 * ```
 */
export async function checkModules(
  modules: readonly AnyModule[],
  calls: readonly ModuleCall[],
  options: CheckModulesOptions = {},
): Promise<void> {
  const { seed = 1, faults = {}, ...rest } = options;
  const runner = new ModulesRunner(modules, rest, { keys: [], fits: () => true, isSaga: () => false });
  const steps = calls.map(([request, { after = 0 } = {}]) => ({ request, picks: [], wait: after }));
  const { findings, trace } = await runner.play(steps, { seed, faults });
  if (findings.length > 0) throw new ModulesError(findings, trace);
}
