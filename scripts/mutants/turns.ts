import type { Mutant } from "./mutant.ts";

const admission = "src/runtime/admission.ts";
const clock = "src/core/clock.ts";
const committer = "src/runtime/committer.ts";
const commits = "src/store/commits.ts";
const dispatcher = "src/runtime/dispatcher.ts";
const recorder = "src/runtime/recorder.ts";
const timers = "src/runtime/timers.ts";

/** Bugs in the way of a message: mailbox, turn, commit, disk. */
export const turnMutants: readonly Mutant[] = [
  {
    name: "acknowledge-before-durable",
    promise: 3,
    edits: [{
      file: committer,
      from: "    this.engine.append(sealed.index - 1, sealed).then(",
      to: "    for (const release of commit.releases.splice(0)) release.durable();\n" +
        "    this.engine.append(sealed.index - 1, sealed).then(",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "lost-commit-acknowledged",
    promise: 3,
    edits: [{
      file: committer,
      from: "this.#inFlight.countUpTo(head.id);",
      to: "this.#inFlight.length;",
    }],
    catches: [{ tests: ["test/runtime/lost_commit_test.ts"] }],
  },
  {
    name: "second-lost-commit-kept",
    promise: 3,
    edits: [{
      file: committer,
      from: "    if (this.#inFlight.length > 0) {\n      const why",
      to: "    if (durable === 0) {\n      const why",
    }],
    catches: [{ tests: ["test/runtime/pipelining_test.ts"] }],
  },
  {
    name: "first-answer-taken-for-second-commit",
    promise: 3,
    edits: [{
      file: committer,
      from: "      this.#succeeded();\n",
      to: "      this.#succeeded();\n" +
        "      if (this.#inFlight.oldest) this.#inFlight.oldest.answer ??= {};\n",
    }],
    catches: [{ tests: ["test/runtime/pipelining_test.ts"] }],
  },
  {
    name: "memory-kept-after-lost-commit",
    promise: 2,
    edits: [{
      file: "src/runtime/shard.ts",
      from: "    this.#forget(this.#serving.unavailable());\n",
      to: "",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "read-before-durable",
    promise: 3,
    edits: [{
      file: "src/runtime/state_reader.ts",
      from: "    if (dirtyCommit > committer.durableIndex) await committer.flushed();\n    else await",
      to: "    await",
    }],
    catches: [{ tests: ["test/runtime/durability_test.ts"] }],
  },
  {
    name: "late-callers-never-told",
    promise: 9,
    hangs: true,
    edits: [{
      file: committer,
      from: "      this.#tellRest();\n",
      to: "",
    }],
    catches: [{ tests: ["test/runtime/limits_test.ts", "test/runtime/durability_test.ts"] }],
  },
  {
    name: "epoch-unchecked",
    promise: 1,
    edits: [{ file: commits, from: "AND value = ?2", to: "AND ?2 = ?2" }],
    catches: [{ tests: ["test/store/engine_test.ts"] }],
  },
  {
    name: "index-unchecked",
    promise: 1,
    edits: [{
      file: commits,
      from: "AND (SELECT coalesce(max(idx), 0) FROM commits) = ?3",
      to: "AND ?3 = ?3",
    }],
    catches: [{ tests: ["test/store/engine_test.ts"] }],
  },
  {
    name: "recovery-without-new-epoch",
    promise: 1,
    edits: [{
      file: "src/store/engine.ts",
      from: "UPDATE meta SET value = value + 1\n          WHERE",
      to: "UPDATE meta SET value = value\n          WHERE",
    }],
    catches: [{ tests: ["test/store/engine_test.ts"] }],
  },
  {
    name: "expected-version-unchecked",
    promise: 1,
    edits: [{
      file: dispatcher,
      from: "message.expectedVersion !== null && !isExpected(",
      to: "false && !isExpected(",
    }],
    catches: [{ tests: ["test/runtime/turn_test.ts"] }],
  },
  {
    name: "dedupe-lookup-dropped",
    promise: 4,
    edits: [{
      file: admission,
      from: "    entry.ready = true;\n    if (!earlier) {",
      to: "    entry.ready = true;\n    earlier = undefined;\n    if (!earlier) {",
    }],
    catches: [{ tests: ["test/runtime/dedupe_test.ts"] }],
  },
  {
    name: "twin-not-noticed",
    promise: 4,
    edits: [{ file: admission, from: "const twin = isKept ?", to: "const twin = false ?" }],
    catches: [{ tests: ["test/runtime/dedupe_test.ts"] }],
  },
  {
    name: "reply-not-stored",
    promise: 4,
    edits: [{
      file: recorder,
      from: "if (entry.durable || entry.named) {\n",
      to: "if (entry.durable) {\n",
    }],
    catches: [{ tests: ["test/runtime/dedupe_test.ts"] }],
  },
  {
    name: "handled-ids-forgotten-early",
    promise: 4,
    edits: [{
      file: "src/processors/pruner.ts",
      from: "clock.now() - limits.handledRetentionMs,",
      to: "clock.now(),",
    }],
    catches: [{ tests: ["test/processors/pruner_test.ts"] }],
  },
  {
    name: "ids-forgotten-while-carried",
    promise: 4,
    edits: [{
      file: "src/processors/pruner.ts",
      from: "      ...carried.filter((at) => at !== undefined),\n",
      to: "",
    }],
    catches: [{ tests: ["test/processors/pruner_test.ts"] }],
  },
  {
    name: "other-content-not-noticed",
    promise: 4,
    edits: [{
      file: "src/runtime/pending.ts",
      from: "return earlier.command === message.command && canonicalJson(input)",
      to: "return earlier.command === message.command || canonicalJson(input)",
    }],
    catches: [{ tests: ["test/runtime/dedupe_test.ts"] }],
  },
  {
    name: "retry-overtakes",
    promise: 5,
    edits: [{
      file: dispatcher,
      from: "    if (delayMs !== undefined) this.#hold(activation, delayMs);\n",
      to: "    if (delayMs === undefined) return;\n" +
        "    activation.mailbox.shift();\n" +
        "    this.owner.world.clock.after(delayMs, () => {\n" +
        "      activation.mailbox.push(entry);\n" +
        "      this.schedule(activation);\n" +
        "    });\n",
    }],
    catches: [{ tests: ["test/runtime/retry_test.ts"] }],
  },
  {
    name: "gap-after-lost-commit",
    promise: 7,
    edits: [{
      file: recorder,
      from: "reset(head: Head): void {\n    this.position = this.#durablePosition = head.position;",
      to: "reset(head: Head): void {\n    this.#durablePosition = head.position;",
    }],
    catches: [{ seeds: 40 }],
  },
  {
    name: "commit-lost-while-starting",
    promise: 7,
    edits: [{
      file: "src/runtime/serving.ts",
      from: `if (this.#state === "open" || this.#state === "starting") this.#state`,
      to: `if (this.#state === "open") this.#state`,
    }],
    catches: [{ tests: ["test/runtime/lost_commit_test.ts"] }],
  },
  {
    name: "time-goes-back",
    promise: 7,
    edits: [{ file: clock, from: "if (now >= this.#now) return", to: "if (now > 0) return" }],
    catches: [{ tests: ["test/runtime/log_test.ts"] }],
  },
  {
    name: "snapshot-of-other-code",
    promise: 8,
    edits: [{
      file: "src/store/snapshots.ts",
      from: " AND s.fingerprint = wanted.value ->> 2",
      to: "",
    }],
    catches: [{ tests: ["test/runtime/evolution_test.ts"] }],
  },
  {
    name: "passivated-before-durable",
    promise: 2,
    edits: [{
      file: "src/runtime/directory.ts",
      from: "    activation.dirtyCommit <= durableCommit && (",
      to: "    (",
    }],
    catches: [{ tests: ["test/runtime/limits_test.ts"] }],
  },
  {
    name: "mailbox-without-bound",
    promise: 6,
    edits: [{
      file: "src/runtime/admission.ts",
      from: "if (depth + more.ofActor <= depthMax) return undefined;",
      to: "if (depth + more.ofActor <= Infinity) return undefined;",
    }],
    hangs: true,
    catches: [{ tests: ["test/runtime/limits_test.ts"] }],
  },
  {
    name: "expired-message-handled",
    promise: 6,
    edits: [{
      file: dispatcher,
      from: "message.expiresAt !== null && this.#turnWorld.now >= message.expiresAt",
      to: "false",
    }],
    catches: [{ tests: ["test/runtime/timer_test.ts"] }],
  },
  {
    name: "timer-fires-again-after-restart",
    promise: 4,
    edits: [{
      file: timers,
      from: "    this.#drop(timer.actor, timer.name);\n",
      to: "    this.#held.delete(timerKey(timer));\n",
    }],
    catches: [{ tests: ["test/runtime/timer_test.ts"] }],
  },
  {
    name: "timer-forgotten-while-recovering",
    promise: 9,
    edits: [{
      file: timers,
      from: "      world.clock.after(RECOVERING_DELAY_MS, () => this.#fire(timer));\n",
      to: "",
    }],
    catches: [{ tests: ["test/runtime/timer_test.ts"] }],
  },
  {
    name: "cancelled-timer-still-held",
    promise: 2,
    edits: [{
      file: timers,
      from: "    this.#held.delete(key);\n  }\n\n  async #read(",
      to: "  }\n\n  async #read(",
    }],
    catches: [{ tests: ["test/runtime/timer_test.ts"] }],
  },
  {
    name: "invariant-broken-and-recorded",
    promise: 2,
    edits: [{
      file: "src/core/invariant.ts",
      from: "    throw new InvariantError(actor, name, reason);\n  }\n",
      to: "    if (reason === actor) throw new InvariantError(actor, name, reason);\n  }\n",
    }],
    catches: [{ tests: ["test/runtime/invariant_test.ts"] }],
  },
  {
    name: "catch-up-skips",
    promise: 9,
    edits: [{
      file: "src/runtime/schedule_actor.ts",
      from: `definition.misfire === "catch-up" ? dueAt : passed`,
      to: "passed",
    }],
    catches: [{ tests: ["test/runtime/schedule_test.ts"] }],
  },
];
