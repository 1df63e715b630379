import { Command, Option } from "@commander-js/extra-typings";
import { FolioClientError } from "../../src/client/client_error.ts";
import { askCommand, type Command as SentCommand, sendCommand } from "../../src/client/commands.ts";
import type { SendOptions } from "../../src/client/types.ts";
import { invalidKeyReason, isMessageId, parseActorName } from "../../src/core/message.ts";
import { FoundWrongError, UsageError } from "../support/errors.ts";
import { pretty, printable } from "../support/printable.ts";
import { mayHaveArrived, Server } from "../support/server.ts";
import type { Output, Terminal } from "../support/terminal.ts";
import {
  actorName,
  duration,
  jsonOption,
  noDataOption,
  parseJson,
  serverOption,
  wholeFrom0,
} from "./options.ts";
import { examples } from "./wording.ts";

/** Sends a command to an actor of a running server. */
export function send(terminal: Terminal) {
  return new Command("send")
    .description(
      "Sends a command to an actor of a running server and prints its reply. With an idempotency key it is handled " +
        "once, however often it is sent. Exit code 1 when the actor rejects it.",
    )
    .argument("<actor>", "actor: type/key", actorName)
    .argument("<command>", "command: its name, as in /openapi.json")
    .argument("[input]", "input: JSON, {} if it is left out; - reads it from stdin")
    .option(
      "--idempotency-key <key>",
      "names the message: send it again with the same key if the answer was lost",
    )
    .option("--async", "does not wait for the reply, only until the command is on disk")
    .addOption(
      new Option("--delay <duration>", "delivered so much later, 15m; implies --async").argParser(duration),
    )
    .addOption(new Option("--if-version <n>", "only if the actor is at that version").argParser(wholeFrom0))
    .addOption(serverOption())
    .addOption(noDataOption())
    .addOption(jsonOption("a line of JSON: messageId, and reply, version, position, token; or rejection"))
    .addHelpText(
      "after",
      examples(
        `send account/alice open '{"owner": "Alice"}'`,
        `send account/alice deposit '{"amount": 500}' --idempotency-key rent-may`,
        `send counter/clicks increment '{"by": 1}' --delay 15m --url https://folio.example.com`,
      ),
    )
    .action(async (actor, name, input = "{}", flags) => {
      const server = new Server(flags.url, terminal);
      const { idempotencyKey = server.transport.ids.next(), delay, ifVersion: expectedVersion } = flags;
      if (!isMessageId(idempotencyKey)) {
        throw new UsageError(
          "Cannot use --idempotency-key: it is 1 to 255 printable ASCII characters, no spaces",
        );
      }
      const address = parseActorName(actor);
      const reason = invalidKeyReason(address.key);
      if (reason) throw new UsageError(`Cannot send to ${actor}: its key cannot be used, ${reason}`);
      const text = input === "-" ? await terminal.readInput() : input;
      const command = { actor: address, name, input: parseJson("the input", text) };
      const output = { terminal, isJson: flags.json };
      const options = { idempotencyKey, expectedVersion };
      await server.explained(() =>
        hinted(
          () =>
            flags.async || delay !== undefined
              ? leave(server, command, { ...options, delay }, output)
              : ask(server, command, options, output),
          () =>
            terminal.note(
              `Whether it arrived is not known. Send it again with --idempotency-key ${idempotencyKey}`,
            ),
        )
      );
    });
}

/** Without waiting for the reply. */
async function leave(
  { transport, url }: Server,
  command: SentCommand,
  options: SendOptions,
  { terminal, isJson }: Output,
): Promise<void> {
  const { messageId } = await sendCommand(transport, command, options);
  if (isJson) return terminal.print(JSON.stringify({ messageId }));
  terminal.print(`Sent: \`deno task folio messages ${messageId} --url ${url}\` tells what becomes of it.`);
}

async function ask(
  { transport }: Server,
  command: SentCommand,
  options: SendOptions,
  { terminal, isJson }: Output,
): Promise<void> {
  const actor = `${command.actor.type}/${command.actor.key}`;
  const result = await askCommand(transport, command, options);
  if (isJson) {
    const { ok: _, ...shown } = result;
    terminal.print(JSON.stringify(shown));
  } else if (result.ok) {
    terminal.note(printable(`${actor} is at version ${result.version}, after message ${result.messageId}`));
    terminal.print(pretty(result.reply));
  } else terminal.note(printable(`${actor} rejected ${command.name}: ${rejectionText(result.rejection)}`));
  if (!result.ok) throw new FoundWrongError();
}

/** Says what to do about a command of which nobody knows whether it has arrived. */
async function hinted(work: () => Promise<void>, hint: () => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof FolioClientError && mayHaveArrived(error)) hint();
    throw error;
  }
}

function rejectionText(rejection: unknown): string {
  const { code, details } = rejection as { code: string; details?: unknown };
  return details === undefined ? code : `${code} ${JSON.stringify(details)}`;
}
