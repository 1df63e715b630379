/**
 * Tests of actor modules: given/when/then without a server or a store, and a clock and ids that do what the
 * test says.
 *
 * @module
 */
/** For inputs of your own to `fuzz`: the fast-check that it uses. */
export { default as fc } from "fast-check";
export {
  type CallOf,
  type CallOptions,
  checkCommands,
  CommandError,
  type CommandsOptions,
} from "./commands.ts";
export { fuzz, FuzzError, type FuzzOptions, type FuzzReport } from "./fuzz.ts";
export { checkModules, type CheckModulesOptions, type ModuleCall, ModulesError } from "./check_modules.ts";
export {
  fuzzModules,
  FuzzModulesError,
  type FuzzModulesOptions,
  type FuzzModulesReport,
} from "./fuzz_modules.ts";
export { type ModulesOptions, type RunWorld } from "./modules_run.ts";
export { type CommandsOf, type EventOf, Given, given, type InputArgs } from "./given.ts";
export {
  type AskAnswer,
  type ChildAnswer,
  GivenSaga,
  type PerformAnswer,
  type SignalAnswer,
} from "./given_saga.ts";
export { type SagaOptions } from "./saga_process.ts";
export { Checked, type Expected, type Outcome, type RejectionOf, type ReplyOf, When } from "./when.ts";
export { seededIds } from "./seeded_ids.ts";
export { DiskPool } from "./simulated_disk.ts";
export { type FaultCounts, type Faults } from "./simulated_faults.ts";
export { SimulatedCrash } from "./simulated_process.ts";
export { simulate, Simulation, type SimulationOptions } from "./simulation.ts";
export { VirtualClock } from "./virtual_clock.ts";
