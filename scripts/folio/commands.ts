import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Terminal } from "../support/terminal.ts";

/** A command, made for one run. */
export type CommandMaker = (terminal: Terminal) => CommandUnknownOpts;

/** What is known of a command before its file is loaded, which only the one that runs is. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandMaker>;
  /** It starts servers and looks into their processes, for which Deno has no narrower permission than all. */
  readonly needsAll?: true;
}

/** All commands, as `--help` shows them. */
export const groups: Readonly<Record<string, readonly CommandEntry[]>> = {
  "Look (in a folder, or at a server):": [
    {
      name: "inspect",
      summary: "an actor's state, now or at any version or time",
      load: async () => (await import("./inspect.ts")).inspect,
    },
    {
      name: "events",
      summary: "the log, or the events of one actor; as it grows, too",
      load: async () => (await import("./events.ts")).events,
    },
    {
      name: "why",
      summary: "what led to an event or message, and what it led to",
      load: async () => (await import("./why.ts")).why,
    },
    {
      name: "messages",
      summary: "what became of a message",
      load: async () => (await import("./messages.ts")).messages,
    },
    {
      name: "sagas",
      summary: "list instances; check them against new code before a deploy",
      load: async () => (await import("./sagas.ts")).sagas,
    },
    {
      name: "projections",
      summary: "read models, and how far behind they are",
      load: async () => (await import("./projections.ts")).projections,
    },
    {
      name: "timers",
      summary: "what will be delivered, and when",
      load: async () => (await import("./timers.ts")).timers,
    },
    {
      name: "schedules",
      summary: "list, pause and resume",
      load: async () => (await import("./schedules.ts")).schedules,
    },
  ],
  "Act:": [
    {
      name: "send",
      summary: "a command to an actor",
      load: async () => (await import("./send.ts")).send,
    },
    {
      name: "dead-letters",
      summary: "list, show, redrive, discard",
      load: async () => (await import("./dead_letters.ts")).deadLetters,
    },
    {
      name: "replay",
      summary: "build a projection anew or check it; replay a reactor",
      load: async () => (await import("./replay.ts")).replay,
    },
  ],
  "Keep (folders):": [
    {
      name: "backup",
      summary: "copy a folder as of one instant, also while a server runs on it",
      load: async () => (await import("./backup.ts")).backup,
    },
    {
      name: "restore",
      summary: "put a backup in place, verified",
      load: async () => (await import("./restore.ts")).restore,
    },
    {
      name: "verify",
      summary: "check that the books are whole and agree with each other",
      load: async () => (await import("./verify.ts")).verify,
    },
  ],
  "Try Folio itself:": [
    {
      name: "bench",
      summary: "measure it against bare baselines",
      load: async () => (await import("./bench.ts")).bench,
      needsAll: true,
    },
    {
      name: "simulate",
      summary: "run the engine under seeds, on virtual time",
      load: async () => (await import("./simulate.ts")).simulate,
      needsAll: true,
    },
    {
      name: "crash",
      summary: "kill a server under load, again and again, and check its books",
      load: async () => (await import("./crash.ts")).crash,
      needsAll: true,
    },
    {
      name: "soak",
      summary: "keep a server under load for minutes",
      load: async () => (await import("./soak.ts")).soak,
      needsAll: true,
    },
    {
      name: "sale",
      summary: "sell 1,000 items to 50,000 orders",
      load: async () => (await import("./sale.ts")).sale,
      needsAll: true,
    },
    {
      name: "mutants",
      summary: "plant known bugs, and show what catches each",
      load: async () => (await import("./mutants.ts")).mutants,
      needsAll: true,
    },
  ],
};
