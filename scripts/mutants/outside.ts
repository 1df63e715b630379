import type { Mutant } from "./mutant.ts";

const committer = "src/runtime/committer.ts";
const takeover = "test/simulation/takeover_test.ts";
const clockSet = "test/runtime/clock_set_test.ts";

/** Bugs that show when another process takes over, or somebody sets the clock. */
export const outsideMutants: readonly Mutant[] = [
  {
    name: "overtaken-rejects-from-memory",
    promise: 1,
    edits: [{
      file: committer,
      from: "        if (this.engine.isShared) return this.#confirm(commit);\n",
      to: "",
    }],
    catches: [{ tests: [takeover] }],
  },
  {
    name: "overtaken-reads-from-memory",
    promise: 1,
    edits: [{
      file: "src/runtime/state_reader.ts",
      from: "    else await committer.confirmed();\n",
      to: "",
    }],
    catches: [{ seeds: 60 }, { tests: [takeover] }],
  },
  {
    name: "confirmed-by-any-epoch",
    promise: 1,
    edits: [{
      file: committer,
      from: "({ epoch }: Head) => epoch === this.#epoch;",
      to: "({ epoch }: Head) => epoch > 0;",
    }],
    catches: [{ seeds: 60 }, { tests: [takeover] }],
  },
  {
    name: "refused-though-on-disk",
    promise: 1,
    edits: [{
      file: "src/store/engine.ts",
      from: "{}, landed.length);",
      to: "{}, 0);",
    }],
    catches: [{ tests: ["test/store/engine_test.ts"] }],
  },
  {
    name: "takeover-of-shards-only",
    promise: 8,
    edits: [{
      file: "src/open_stores.ts",
      from: "isShared ? takeReadDatabase(readDatabase, lost) : Promise.resolve(readDatabase)",
      to: "Promise.resolve(readDatabase)",
    }],
    catches: [{ tests: [takeover] }],
  },
  {
    name: "time-stands-when-set-back",
    promise: 9,
    edits: [{
      file: "src/core/clock.ts",
      from: "(elapsed - this.#mark.elapsed) / 2",
      to: "0 * (elapsed - this.#mark.elapsed)",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "set-forward-unnoticed",
    promise: 9,
    edits: [{
      file: "src/core/clock.ts",
      from: "export const RECHECK_MS = 60_000;",
      to: "export const RECHECK_MS = Infinity;",
    }],
    catches: [{ tests: [clockSet] }],
  },
  {
    name: "timer-fires-when-set-back",
    promise: 4,
    edits: [{
      file: "src/runtime/due_window.ts",
      from: "        if (this.owner.keyOf(first).at > now) break;\n",
      to: "        if (this.owner.keyOf(first).at > now + 3_600_000) break;\n",
    }],
    catches: [{ seeds: 100 }],
  },
];
