import { archiveMutants } from "./archive.ts";
import { followingMutants } from "./following.ts";
import type { Mutant } from "./mutant.ts";
import { outsideMutants } from "./outside.ts";
import { refusedMutants } from "./refused.ts";
import { turnMutants } from "./turns.ts";

/** Every bug that has to be caught. */
export const mutants: readonly Mutant[] = [
  ...turnMutants,
  ...followingMutants,
  ...outsideMutants,
  ...archiveMutants,
  ...refusedMutants,
];
