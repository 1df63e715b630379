import type { Mutant } from "./mutant.ts";

const journal = "src/core/journal.ts";
const projector = "src/processors/projector.ts";
const relay = "src/processors/relay.ts";
const worker = "src/processors/activity_worker.ts";

/** Bugs in what follows commits: the relay, projections, reactors, activities, sagas. */
export const followingMutants: readonly Mutant[] = [
  {
    name: "outbox-deleted-before-arrival",
    promise: 2,
    edits: [
      {
        file: relay,
        from: "      const arrived = await Promise.all(",
        to: "      await source.relayed(rows.map(({ seq }) => seq));\n" +
          "      const arrived = await Promise.all(",
      },
      { file: relay, from: "      if (seqs.length > 0) await source.relayed(seqs);\n", to: "" },
    ],
    catches: [{ seeds: 40 }],
  },
  {
    name: "relay-does-not-know-ids",
    promise: 4,
    edits: [{
      file: relay,
      from: "{ durable: true, named: true }",
      to: "{ durable: true, named: false }",
    }],
    catches: [{ tests: ["test/processors/relay_test.ts", "test/processors/relay_faults_test.ts"] }],
  },
  {
    name: "relay-out-of-order",
    promise: 5,
    edits: [{
      file: "src/store/outbox.ts",
      from: 'keys: "seq", order: "seq"',
      to: 'keys: "seq", order: "seq DESC"',
    }],
    catches: [{ tests: ["test/processors/relay_test.ts"] }],
  },
  {
    name: "relay-goes-around-a-full-mailbox",
    promise: 5,
    edits: [{
      file: relay,
      from: "    if (blocked.has(message.actor)) return resolve(false);\n",
      to: "",
    }],
    catches: [{ tests: ["test/processors/relay_test.ts"] }],
  },
  {
    name: "projection-checkpoint-apart",
    promise: 8,
    edits: [
      {
        file: projector,
        from: "    statements.push(moveCheckpoint(of, this.#position(shard), to));\n",
        to: "    const checkpoint = moveCheckpoint(of, this.#position(shard), to);\n",
      },
      {
        file: projector,
        from: `results = await this.database.batch(statements, "write");`,
        to: `results = await this.database.batch(statements, "write");\n` +
          `      await this.database.batch([checkpoint], "write");`,
      },
    ],
    catches: [{ tests: ["test/projections/exactly_once_test.ts"] }],
  },
  {
    name: "query-does-not-wait-for-token",
    promise: 8,
    edits: [{
      file: "src/processors/served_projection.ts",
      from: "if (hasSeen(this.#positions, token)) return",
      to: "if (token) return",
    }],
    catches: [{ tests: ["test/projections/read_your_writes_test.ts"] }],
  },
  {
    name: "reactor-checkpoint-apart",
    promise: 4,
    edits: [{
      file: "src/runtime/shard.ts",
      from: "      open.checkpoints.push([reactor, position]);\n    });",
      to: "    }).then(() => this.#record(({ checkpoints }) => void checkpoints.push([reactor, position])));",
    }],
    catches: [{ seeds: 130 }, { tests: ["test/reactors/reactors_test.ts"] }],
  },
  {
    name: "activity-begins-without-record",
    promise: 4,
    edits: [{
      file: worker,
      from: "begun.then(() => this.#run(attempt, input), () => this.#lost(attempt));",
      to: "begun.catch(() => {});\n    Promise.resolve().then(() => this.#run(attempt, input));",
    }],
    catches: [{ tests: ["test/activities/crash_test.ts"] }],
  },
  {
    name: "at-most-once-retried-after-crash",
    promise: 4,
    edits: [{
      file: "src/processors/resumption.ts",
      from: "const isOnce = !isToAsk && !mayBeHandedBack(activity);",
      to: "const isOnce = false;",
    }],
    catches: [{ tests: ["test/activities/crash_test.ts"] }],
  },
  {
    name: "compensations-forward",
    promise: 5,
    edits: [
      { file: journal, from: "this.#undoable.at(-1)", to: "this.#undoable[0]" },
      { file: journal, from: "this.#undoable.pop()", to: "this.#undoable.shift()" },
    ],
    catches: [{ tests: ["test/sagas/compensation_test.ts"] }],
  },
  {
    name: "saga-answer-taken-twice",
    promise: 4,
    edits: [{
      file: "src/runtime/saga_instance.ts",
      from: "return found && journal.pending.has(found) ? found : undefined;",
      to: "return found;",
    }],
    catches: [{ tests: ["test/sagas/steps_test.ts", "test/sagas/compensation_test.ts"] }],
  },
  {
    name: "saga-turn-not-rolled-back",
    promise: 2,
    edits: [{
      file: "src/runtime/dispatcher.ts",
      from: "    if (!isTaken) activation.state = rolledBack(activation.state, activation.version);\n",
      to: "",
    }],
    catches: [{ tests: ["test/sagas/trouble_test.ts", "test/sagas/replay_test.ts"] }],
  },
];
