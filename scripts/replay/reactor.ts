import type { ReactorReplay, ReactorStatus } from "../../src/runtime/reactor_models.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import { ScriptError } from "../support/errors.ts";
import { placeOf, POLL_DELAY_MS } from "./follow.ts";
import { PATIENCE_MS, type Server } from "../support/server.ts";
import type { Output } from "../support/terminal.ts";

/** What replays a reactor: this process or a server. */
export interface ReactorReplayer {
  list(): Promise<readonly ReactorStatus[]>;
  rehearse(from: string | undefined): Promise<ReactorReplay>;
  resend(from: string | undefined): Promise<ReactorStatus>;
}

/** A reactor of a server. */
export function reactorAt(server: Server, name: string): ReactorReplayer {
  const path = `/reactors/${encodeURIComponent(name)}/replay`;
  const replay = <T>(from: string | undefined, resend: boolean) =>
    server.call<T>({
      method: "POST",
      path,
      query: { resend: String(resend), from },
      responseMsMax: PATIENCE_MS,
    });
  return {
    list: async () => (await server.get<{ reactors: ReactorStatus[] }>("/reactors")).reactors,
    rehearse: (from) => replay<ReactorReplay>(from, false),
    resend: (from) => replay<ReactorStatus>(from, true),
  };
}

/** Says what a reactor would send about the past; with `resend`, lets it. */
export async function replayReactor(
  name: string,
  { resend, from }: { resend?: true | undefined; from?: string | undefined },
  replayer: ReactorReplayer,
  output: Output,
): Promise<void> {
  const { terminal, isJson } = output;
  await statusOf(replayer, name);
  if (!resend) return report(await replayer.rehearse(from), output);
  const { replay } = await replayer.resend(from);
  await follow(name, replayer, output);
  if (isJson) return terminal.print(JSON.stringify({ reactor: name, run: replay?.run }));
  const ids = replay ? `: ids of these messages begin with ${name}~${replay.run}.` : ".";
  terminal.print(`Sent again what ${name} sends${ids}`);
}

async function follow(name: string, replayer: ReactorReplayer, { terminal }: Output): Promise<void> {
  using bar = new ProgressBar(terminal, "Sending");
  let total = 0;
  while (true) {
    const { replay } = await statusOf(replayer, name);
    if (!replay) return bar.finish();
    if (replay.failure) {
      const { error, event } = replay.failure;
      throw new ScriptError(
        `${name} stopped: ${error}, at ${placeOf(event)}. It goes on there when ` +
          "its code is mended, and is given up with DELETE /reactors/:name/replay",
      );
    }
    total = Math.max(total, replay.eventsLeft);
    bar.update(total - replay.eventsLeft, total);
    await new Promise((resolve) => setTimeout(resolve, POLL_DELAY_MS));
  }
}

function report(found: ReactorReplay, { terminal, isJson }: Output): void {
  const { reactor, token, eventsAnswered, messages, messagesByCommand, failure } = found;
  if (isJson) terminal.print(JSON.stringify(found));
  else {
    const asOf = token || "an empty log";
    terminal.print(
      `${reactor} would send ${messages} messages about ${eventsAnswered} events, as of ${asOf}:`,
    );
    for (const [command, count] of Object.entries(messagesByCommand)) {
      terminal.print(`  ${count}  ${command}`);
    }
    terminal.print("Nothing was sent: --resend sends them again, in messages of other ids.");
  }
  if (!failure) return;
  throw new ScriptError(`${reactor} cannot go on: ${failure.error}, at ${placeOf(failure.event)}`);
}

async function statusOf(replayer: ReactorReplayer, name: string): Promise<ReactorStatus> {
  const list = await replayer.list();
  const found = list.find((status) => status.name === name);
  if (found) return found;
  const names = list.map((status) => status.name).join(", ") || "none";
  throw new ScriptError(`Cannot replay ${name}: there is no such reactor, only ${names}`);
}
