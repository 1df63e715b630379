import type { Checked } from "./checks.ts";
import { positionsOf } from "./read_model_check.ts";
import { getJson } from "./requests.ts";

/** Of the rounds: those that end while a projection is being rebuilt, and while a reactor is being replayed. */
const REBUILD_SHARE = 0.4;
const REPLAY_SHARE = 0.2;
/** Between the beginning of either and the kill. */
const AT_WORK_MS_MAX = 150;
/** Of the log of each shard, what a replay goes back. */
const REPLAYED_EVENTS = 300;

/** What an operator lets a server do, so that kills also meet that. */
export class Works {
  /** Rebuilds of a projection that were begun. */
  rebuilds = 0;

  constructor(private readonly checked: Checked) {}

  /** Lets the server rebuild or replay, and leaves it to that for a moment. @returns What it is at. */
  async begin(url: string): Promise<string> {
    const { random, history, violations } = this.checked;
    const works = [];
    if (random.chance(REBUILD_SHARE)) {
      const found = await getJson(`${url}/projections/tallies/rebuild`, { method: "POST" });
      // Without an answer, it has ended itself.
      if (found && found.status !== 202) violations.add(`Rebuild was answered ${JSON.stringify(found)}`);
      this.rebuilds++;
      works.push("rebuilding");
    }
    if (random.chance(REPLAY_SHARE)) {
      const { echoes } = history;
      const from = history.tokenBefore(REPLAYED_EVENTS);
      const reached = echoes.reached();
      const path = `/reactors/echoes/replay?resend=true${from === "" ? "" : `&from=${from}`}`;
      const found = await getJson(`${url}${path}`, { method: "POST" });
      // 409: the one of an earlier round is not over.
      if (found && found.status !== 202 && found.status !== 409) {
        violations.add(`Replay was answered ${JSON.stringify(found)}`);
      }
      const { run } = (found?.body.replay ?? {}) as { run?: number };
      if (found?.status === 202 && run !== undefined) echoes.promise(run, positionsOf(from), reached);
      works.push("replaying");
    }
    if (works.length === 0) return "";
    const delayMs = random.int(0, AT_WORK_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    return `, ${delayMs} ms after it began ${works.join(" and ")}`;
  }
}
