import type { Mutant } from "./mutant.ts";

const tests = ["test/runtime/refused_commit_test.ts"];
const admission = "src/runtime/admission.ts";

/** Bugs in what becomes of a commit that the store refuses for good. */
export const refusedMutants: readonly Mutant[] = [
  {
    name: "refused-change-blamed-with-others",
    promise: 5,
    edits: [{
      file: "src/runtime/committer.ts",
      from: "    if (changes !== 1 || !only) return",
      to: "    if (!only) return",
    }],
    catches: [{ seeds: 60 }],
  },
  {
    name: "lost-with-others-not-admitted-again",
    promise: 5,
    edits: [{
      file: admission,
      from: "this.#aside.splice(0).sort(",
      to: "this.#aside.splice(0, 0).sort(",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "admitted-again-out-of-order",
    promise: 5,
    edits: [{ file: admission, from: "    this.#keepOrder(why);\n", to: "" }],
    catches: [{ tests }],
  },
  {
    name: "outcome-in-a-commit-before-its-events",
    promise: 2,
    edits: [{
      file: "src/runtime/open_commit.ts",
      from: "this.#cutOff?.map((record) => messageRow(record)) ??\n        ",
      to: "",
    }],
    catches: [{ tests }],
  },
];
