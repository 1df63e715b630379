import { Command, Option } from "@commander-js/extra-typings";
import { FolioError } from "../../src/core/errors.ts";
import type { MessageRecord } from "../../src/core/message.ts";
import { deadLetterView } from "../../src/http/views.ts";
import { readMessage } from "../../src/runtime/message_reader.ts";
import type { DeadLetterFilter } from "../../src/store/messages.ts";
import { deadLettersAt, deadLettersIn } from "../support/dead_letters.ts";
import { ScriptError, UsageError } from "../support/errors.ts";
import { messageText, type ShownMessage } from "../support/message_text.ts";
import { Server } from "../support/server.ts";
import { storedShards, withStoreFolder } from "../support/store_folder.ts";
import { type Column, printList } from "../support/table.ts";
import type { Terminal } from "../support/terminal.ts";
import {
  dataOf,
  dataOption,
  jsonOption,
  limitOption,
  noDataOption,
  parseJson,
  serverOf,
  serverOption,
  urlOption,
} from "./options.ts";
import { examples } from "./wording.ts";

/** What a server redrives at one request. */
const REDRIVEN_MAX = 10_000;

const typeOption = () => new Option("--type <type>", "of actors of this type");
const actorOption = () => new Option("--actor <actor>", "of this actor, type/key");
const commandOption = () => new Option("--command <command>", "of this command");
const errorOption = () => new Option("--error <text>", "whose last error has this text in it");
const whichOption = () => new Option("--actor <actor>", "which one, where several were sent that message");

const columns: readonly Column<ShownMessage>[] = [
  ["MESSAGE", 26, ({ id }) => id],
  ["ACTOR", 16, ({ actor }) => actor],
  ["COMMAND", 12, ({ command }) => command],
  ["ATTEMPTS", 8, ({ attempts }) => attempts],
  ["FAILED", 24, ({ failures }) => failures?.at(-1)?.at],
  ["ERROR", 5, ({ error }) => error],
];

/** Messages that used up their attempts: look at them, put them back, discard them. */
export function deadLetters(terminal: Terminal) {
  return new Command("dead-letters")
    .description("Messages that used up their attempts. To list and show them works on a folder, too.")
    .addCommand(list(terminal))
    .addCommand(show(terminal))
    .addCommand(redrive(terminal))
    .addCommand(discard(terminal))
    .addHelpText(
      "after",
      examples(
        "dead-letters list --url http://127.0.0.1:8000",
        "dead-letters redrive --type activity:send-email --error 'connection refused'",
      ),
    );
}

function list(terminal: Terminal) {
  return new Command("list")
    .description("Lists dead letters that nobody has dealt with, the oldest first.")
    .addOption(typeOption())
    .addOption(actorOption())
    .addOption(commandOption())
    .addOption(errorOption())
    .addOption(limitOption())
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON each, as GET /dead-letters shows them"))
    .addHelpText(
      "after",
      examples("dead-letters list", "dead-letters list --type activity:send-email --json"),
    )
    .action(async (flags) => {
      const { type, actor, command, error, limit = Infinity } = flags;
      const filter = { type, actor, command, error };
      const server = serverOf(flags, terminal);
      const found = server
        ? deadLettersAt(server, filter, limit)
        : deadLettersIn(dataOf(flags, terminal), filter, limit);
      await printList(terminal, found, {
        isJson: flags.json,
        columns,
        none: "There are no such dead letters.",
      });
    });
}

function show(terminal: Terminal) {
  return new Command("show")
    .description("Shows a dead letter with its input and its failures.")
    .argument("<message>", "dead letter: its message id")
    .addOption(whichOption())
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON, as GET /dead-letters/:id"))
    .addHelpText("after", examples("dead-letters show 01JZ8F3N6Q"))
    .action(async (id, flags) => {
      const server = serverOf(flags, terminal);
      const letter: ShownMessage = server
        ? await server.get(pathOf(id), { actor: flags.actor })
        : await withStoreFolder(dataOf(flags, terminal), async (folder) => {
          const record = await readMessage(storedShards(folder), id, flags.actor);
          if (isDeadLetter(record)) return deadLetterView(record);
          throw new FolioError("unknown-message", `Message ${id} is no dead letter`, { id });
        });
      terminal.print(flags.json ? JSON.stringify(letter) : messageText(letter));
    });
}

function redrive(terminal: Terminal) {
  return new Command("redrive")
    .description(
      "Puts a dead letter back into its mailbox, with an edited input if need be; or all that a filter finds. A " +
        "running server does this.",
    )
    .argument("[message]", "dead letter: its message id; leave it out to redrive by filter")
    .option(
      "--edit <json>",
      "what to send instead of its input; checked against the schema. - reads it from stdin",
    )
    .addOption(typeOption())
    .addOption(
      new Option("--actor <actor>", "of this actor, type/key; or which one, where several got that message"),
    )
    .addOption(commandOption())
    .addOption(errorOption())
    .option("--all", "all there are")
    .option("--force", "also what a saga has gone on without, which does not take it back")
    .addOption(limitOption())
    .addOption(serverOption())
    .addOption(noDataOption())
    .addOption(jsonOption("a line of JSON: messageId, actor, status; or redriven, passedOver, hasMore"))
    .addHelpText(
      "after",
      examples(
        "dead-letters redrive 01JZ8F3N6Q",
        `dead-letters redrive 01JZ8F3N6Q --edit '{"amount": 5}'`,
        "dead-letters redrive --type activity:send-email --error 'connection refused'",
      ),
    )
    .action(async (id, flags) => {
      const { edit, type, actor, command, error, all, force, limit = REDRIVEN_MAX } = flags;
      const server = new Server(flags.url, terminal);
      const filter = Object.fromEntries(
        Object.entries({ type, actor, command, error }).filter(([, value]) => value !== undefined),
      );
      if (id !== undefined) {
        if ([type, command, error, all, flags.limit].some((given) => given !== undefined)) {
          throw new UsageError("Cannot redrive: name a message or a filter, not both");
        }
        const input = edit === undefined ? undefined : parseJson("--edit", await textOf(edit, terminal));
        return await redriveOne(server, id, { actor, body: { input, force } }, terminal, flags.json);
      }
      if (edit !== undefined) throw new UsageError("Cannot redrive: --edit is for one message");
      if (!all && Object.keys(filter).length === 0) {
        throw new UsageError("Cannot redrive: name a message, a filter, or --all");
      }
      if (limit > REDRIVEN_MAX) {
        throw new UsageError(`Cannot use --limit ${limit}: it is ${REDRIVEN_MAX} at the most`);
      }
      await redriveAll(server, { ...filter, limit, force }, terminal, flags.json);
    });
}

function discard(terminal: Terminal) {
  return new Command("discard")
    .description("Takes a dead letter off the list, for good. A running server does this.")
    .argument("<message>", "dead letter: its message id")
    .addOption(whichOption())
    .addOption(serverOption())
    .addOption(noDataOption())
    .addOption(jsonOption("a line of JSON: messageId, discarded"))
    .addHelpText("after", examples("dead-letters discard 01JZ8F3N6Q"))
    .action(async (id, flags) => {
      const server = new Server(flags.url, terminal);
      const answer = await server.call({ method: "DELETE", path: pathOf(id), query: { actor: flags.actor } });
      terminal.print(flags.json ? JSON.stringify(answer) : `Discarded ${id}.`);
    });
}

async function redriveOne(
  server: Server,
  id: string,
  { actor, body }: { actor: string | undefined; body: { input: unknown; force: true | undefined } },
  terminal: Terminal,
  isJson: boolean | undefined,
): Promise<void> {
  const path = `${pathOf(id)}/redrive`;
  const answer = await server.call<{ actor: string }>({ method: "POST", path, query: { actor }, body });
  terminal.print(isJson ? JSON.stringify(answer) : `Put ${id} back into the mailbox of ${answer.actor}.`);
}

async function redriveAll(
  server: Server,
  body: DeadLetterFilter & { limit: number; force: true | undefined },
  terminal: Terminal,
  isJson: boolean | undefined,
): Promise<void> {
  const answer = await server.call<{ redriven: number; passedOver?: number; hasMore: boolean }>({
    method: "POST",
    path: "/dead-letters/redrive",
    body,
  });
  const { redriven, passedOver = 0, hasMore } = answer;
  terminal.print(isJson ? JSON.stringify(answer) : `Put ${redriven} dead letters back into their mailboxes.`);
  if (passedOver > 0 && !isJson) {
    terminal.note(
      `Passed over ${passedOver} that their sagas have gone on without; --force redrives these, too.`,
    );
  }
  if (!hasMore) return;
  if (redriven < body.limit) {
    throw new ScriptError("Not all of them could be put back: the mailbox of one may be full");
  }
  if (!isJson) terminal.note("More are left: say it again.");
}

function isDeadLetter({ status, handledAt }: MessageRecord): boolean {
  return status === "dead" && handledAt === null;
}

function pathOf(id: string): string {
  return `/dead-letters/${encodeURIComponent(id)}`;
}

async function textOf(given: string, terminal: Terminal): Promise<string> {
  return given === "-" ? await terminal.readInput() : given;
}
