import { Command } from "@commander-js/extra-typings";
import { messageView } from "../../src/http/views.ts";
import { readMessage } from "../../src/runtime/message_reader.ts";
import { messageText, type ShownMessage } from "../support/message_text.ts";
import { storedShards, withStoreFolder } from "../support/store_folder.ts";
import type { Terminal } from "../support/terminal.ts";
import { dataOf, dataOption, jsonOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** Shows what became of a message. */
export function messages(terminal: Terminal) {
  return new Command("messages")
    .description(
      "Shows what became of a message: its status, attempts and reply, or what is known of it from its events. " +
        "What has only arrived is in the memory of a server, and not in its folder.",
    )
    .argument("<message>", "message: a Folio-Message-Id, or the Idempotency-Key that it came with")
    .option("--actor <actor>", "which one, where several were sent that message")
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON, as GET /messages/:id"))
    .addHelpText(
      "after",
      examples("messages rent-may", "messages rent-may --url http://127.0.0.1:8000 --json"),
    )
    .action(async (id, flags) => {
      const { actor } = flags;
      const server = serverOf(flags, terminal);
      const message: ShownMessage = server
        ? await server.get(`/messages/${encodeURIComponent(id)}`, { actor })
        : await withStoreFolder(
          dataOf(flags, terminal),
          async (folder) => messageView(await readMessage(storedShards(folder), id, actor)),
        );
      terminal.print(flags.json ? JSON.stringify(message) : messageText(message));
    });
}
