import type { ReactorReplay, ReactorStatus } from "../../src/runtime/reactor_models.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import { printable, ScriptError } from "../support/script.ts";
import { placeOf, POLL_DELAY_MS } from "./follow.ts";
import type { Call } from "./server.ts";

/** What replays a reactor: this process or a server. */
export interface ReactorReplayer {
  list(): Promise<readonly ReactorStatus[]>;
  rehearse(from: string | undefined): Promise<ReactorReplay>;
  resend(from: string | undefined): Promise<ReactorStatus>;
}

/** A reactor of a server. */
export function reactorAt(call: Call, name: string): ReactorReplayer {
  const path = (from: string | undefined, resend: boolean) => {
    const query = new URLSearchParams({ resend: String(resend), ...(from === undefined ? {} : { from }) });
    return `/reactors/${encodeURIComponent(name)}/replay?${query}`;
  };
  return {
    list: async () => (await call<{ reactors: ReactorStatus[] }>("GET", "/reactors")).reactors,
    rehearse: (from) => call<ReactorReplay>("POST", path(from, false)),
    resend: (from) => call<ReactorStatus>("POST", path(from, true)),
  };
}

/** Says what a reactor would send about the past; with `resend`, lets it. */
export async function replayReactor(
  name: string,
  { resend, from }: { resend: boolean; from?: string | undefined },
  replayer: ReactorReplayer,
): Promise<void> {
  await statusOf(replayer, name);
  if (!resend) return report(await replayer.rehearse(from));
  const { replay } = await replayer.resend(from);
  await follow(name, replayer);
  console.log(
    `Sent again what ${name} sends${
      replay ? `: ids of these messages begin with ${name}~${replay.run}.` : "."
    }`,
  );
}

async function follow(name: string, replayer: ReactorReplayer): Promise<void> {
  using bar = new ProgressBar("Sending");
  let total = 0;
  while (true) {
    const { replay } = await statusOf(replayer, name);
    if (!replay) return bar.finish();
    if (replay.failure) {
      const { error, event } = replay.failure;
      throw new ScriptError(
        `${name} stopped: ${printable(error)}, at ${placeOf(event)}. It goes on there when ` +
          "its code is mended, and is given up with DELETE /reactors/:name/replay",
      );
    }
    total = Math.max(total, replay.eventsLeft);
    bar.update(total - replay.eventsLeft, total);
    await new Promise((resolve) => setTimeout(resolve, POLL_DELAY_MS));
  }
}

function report(
  { reactor, token, eventsAnswered, messages, messagesByCommand, failure }: ReactorReplay,
): void {
  const lines = Object.entries(messagesByCommand).map(([command, count]) => `  ${count}  ${command}`);
  console.log(
    [
      `${reactor} would send ${messages} messages about ${eventsAnswered} events, as of ${
        token || "an empty log"
      }:`,
      ...lines,
      "Nothing was sent: --resend sends them again, in messages of other ids.",
    ].join("\n"),
  );
  if (!failure) return;
  throw new ScriptError(
    `${reactor} cannot go on: ${printable(failure.error)}, at ${placeOf(failure.event)}`,
  );
}

async function statusOf(replayer: ReactorReplayer, name: string): Promise<ReactorStatus> {
  const list = await replayer.list();
  const found = list.find((status) => status.name === name);
  if (found) return found;
  const names = list.map((status) => status.name).join(", ") || "none";
  throw new ScriptError(`Cannot replay ${name}: there is no such reactor, only ${names}`);
}
