import type { ProjectionCheck, ProjectionStatus, RowDifference } from "../../src/runtime/read_models.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import { FoundWrongError, ScriptError } from "../support/errors.ts";
import { printable } from "../support/printable.ts";
import { placeOf, POLL_DELAY_MS } from "./follow.ts";
import { PATIENCE_MS, type Server } from "../support/server.ts";
import type { Output } from "../support/terminal.ts";

/** What replays a projection: this process or a server. */
export interface ProjectionReplayer {
  status(): Promise<ProjectionStatus>;
  rebuild(from: string | undefined): Promise<void>;
  check(): Promise<ProjectionCheck>;
}

/** A projection of a server. */
export function projectionAt(server: Server, name: string): ProjectionReplayer {
  const path = `/projections/${encodeURIComponent(name)}/rebuild`;
  return {
    async status() {
      const { projections } = await server.get<{ projections: ProjectionStatus[] }>("/projections");
      return statusOf(projections, name);
    },
    async rebuild(from) {
      await server.call({ method: "POST", path, query: { from } });
    },
    check: () =>
      server.call<ProjectionCheck>({
        method: "POST",
        path,
        query: { check: "true" },
        responseMsMax: PATIENCE_MS,
      }),
  };
}

/** Builds a projection anew, or checks it, and says how that went. */
export async function replayProjection(
  name: string,
  options: { check?: true | undefined; from?: string | undefined },
  replayer: ProjectionReplayer,
  { terminal, isJson }: Output,
): Promise<void> {
  await replayer.status();
  using bar = new ProgressBar(terminal, options.check ? "Comparing" : "Building");
  if (options.check) {
    const check = replayer.check();
    await Promise.race([check, follow(replayer, bar, check)]);
    const found = await check;
    if (found.status === "equal" || found.status === "different") bar.finish();
    else bar.stop();
    if (!isJson) return terminal.print(sameness(name, found));
    terminal.print(JSON.stringify(found));
    if (found.status !== "equal") throw new FoundWrongError();
    return;
  }
  await replayer.rebuild(options.from);
  const { build, servedVersion, token } = await follow(replayer, bar);
  if (build?.failure) {
    bar.stop();
    const { error, event } = build.failure;
    throw new ScriptError(`Cannot build ${name}: ${error}, at ${placeOf(event)}. What served still does.`);
  }
  bar.finish();
  if (isJson) return terminal.print(JSON.stringify({ projection: name, servedVersion, token }));
  terminal.print(`Built ${name}, version ${servedVersion}, as of ${token || "an empty log"}.`);
}

/** Shows how far a build has come until it has ended. @param until Ends it too. */
async function follow(
  replayer: ProjectionReplayer,
  bar: ProgressBar,
  until?: Promise<unknown>,
): Promise<ProjectionStatus> {
  let isOver = false;
  const over = until?.catch(() => {}).then(() => isOver = true);
  while (true) {
    const status = await replayer.status();
    const { build } = status;
    if (build) bar.update(build.eventsDone, build.eventsTotal);
    if (isOver || (!until && (!build || build.failure))) return status;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, POLL_DELAY_MS)), ...over ? [over] : []]);
  }
}

/** That the rows are what a replay gives. @throws {ScriptError} Saying where they are not. */
function sameness(name: string, check: ProjectionCheck): string {
  const { status, token, rowsCompared, difference, failure } = check;
  if (status === "equal") {
    return `${name} is what a replay gives: ${rowsCompared} rows, as of ${token || "an empty log"}.`;
  }
  if (status === "cancelled") throw new ScriptError(`The check of ${name} was given up`);
  if (failure) {
    const { error, event } = failure;
    throw new ScriptError(
      `${name} cannot be replayed: ${printable(error)}, at ${placeOf(event)}`,
    );
  }
  if (!difference) throw new ScriptError(`The check of ${name} says that it differs, and not where`);
  const show = (row: unknown) => (row === undefined ? "no such row" : printable(JSON.stringify(row)));
  throw new ScriptError(
    [
      `${name} has drifted, as of ${token}. The first row that differs is in ${difference.table}:`,
      `  key       ${show(difference.key)}`,
      `  served    ${show(difference.served)}`,
      `  replayed  ${show(difference.replayed)}`,
      `  event     ${partingOf(difference)}`,
    ].join("\n"),
  );
}

function partingOf({ key, partedAt, writtenBy }: RowDifference): string {
  if (partedAt) return `${placeOf(partedAt)}: before it, the replay gave the row as served`;
  if (writtenBy) return `${placeOf(writtenBy)}, made it as replayed; the replay never gave it as served`;
  const isTable = Object.keys(key).length === 0;
  return isTable ? "none: the table has other columns" : "none that has to do with this row";
}

/** @throws {ScriptError} When there is no projection of that name. */
export function statusOf(list: readonly ProjectionStatus[], name: string): ProjectionStatus {
  const found = list.find((status) => status.name === name);
  if (found) return found;
  const names = list.map((status) => status.name).join(", ") || "none";
  throw new ScriptError(`Cannot replay ${name}: there is no such projection, only ${names}`);
}
