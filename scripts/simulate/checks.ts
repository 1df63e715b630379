import type { RecordedEvent } from "../../src/mod.ts";
import type { Simulation } from "../../src/testing/mod.ts";
import { checkArchive } from "./checks_archive.ts";
import { checkCalls } from "./checks_calls.ts";
import { checkFollowing } from "./checks_following.ts";
import { checkTainted } from "./checks_tainted.ts";
import type { Call } from "./client.ts";
import { balanceOf, type Claim, eventsNamed, payloadOf, type Streams } from "./log.ts";
import type { examModules, Press } from "./modules.ts";

interface Exam extends Pick<ReturnType<typeof examModules>, "purse"> {
  readonly history: readonly Call[];
  readonly press: Press;
  readonly events: readonly RecordedEvent[];
  /** Whether shards have archives. */
  readonly archives: boolean;
  readonly shards: number;
}

/** Everything that a run shows and the guarantees do not allow, each with the guarantee's number of the design. */
export async function findViolations(sim: Simulation, exam: Exam): Promise<string[]> {
  const { events } = exam;
  const history = exam.history.filter(({ isTainted }) => !isTainted);
  const found: string[] = [];
  const claim: Claim = (holds, what) => {
    if (!holds) found.push(what);
  };
  for (const error of sim.broken) found.push(error);
  const byActor = Map.groupBy(events, ({ actor }) => actor);
  checkLog(events, byActor, claim);
  checkCalls(history.filter(({ request }) => request.type === "purse"), events, byActor, claim);
  checkFollowing(events, byActor, { history, press: exam.press }, claim);
  await checkTainted(sim, exam, claim);
  if (exam.archives) await checkArchive(sim, events, byActor, claim);
  await checkStates(sim, exam, byActor, claim);
  return found;
}

function checkLog(events: readonly RecordedEvent[], byActor: Streams, claim: Claim): void {
  for (const [shard, log] of Map.groupBy(events, (event) => event.shard)) {
    claim(log.every(({ position }, index) => position === index + 1), `7 gap-free: shard ${shard} has a gap`);
    claim(log.every(({ at }, index) => at >= (log[index - 1]?.at ?? 0)), `time goes back in shard ${shard}`);
  }
  for (const [actor, stream] of byActor) {
    claim(
      stream.every(({ version }, index) => version === index + 1),
      `1 single writer: versions of ${actor}`,
    );
  }
}

async function checkStates(
  sim: Simulation,
  exam: Exam,
  byActor: Streams,
  claim: Claim,
): Promise<void> {
  // Without snapshots, in a new process: the log alone must give the same.
  for (const way of ["as it is", "from the log alone"]) {
    for (const [actor, stream] of byActor) {
      if (!actor.startsWith("purse/")) continue;
      const { state, version } = await sim.state(exam.purse, actor.slice("purse/".length));
      const wanted = JSON.stringify({ balance: balanceOf(stream), version: stream.length });
      claim(
        JSON.stringify(state) === wanted,
        `8 derived: state of ${actor} ${way} is ${JSON.stringify(state)}`,
      );
      claim(version === stream.length, `8 derived: version of ${actor} ${way}`);
    }
    if (way === "as it is") {
      await sim.dropDerived();
      await sim.advance("1m");
    }
    const { rows } = await sim.until(
      sim.begin((runtime) => runtime.projections.query("totals", "all", {}, { waitMs: 5_000 })),
    );
    const wanted = [...byActor].filter(([, stream]) => eventsNamed(stream, "Deposited").length > 0)
      .map(([actor, stream]) => ({
        purse: actor.slice("purse/".length),
        deposited: eventsNamed(stream, "Deposited").reduce(
          (sum, event) => sum + Number(payloadOf(event).amount),
          0,
        ),
        events: eventsNamed(stream, "Deposited").length,
      })).sort((a, b) => a.purse < b.purse ? -1 : 1);
    claim(
      JSON.stringify(rows) === JSON.stringify(wanted),
      `8 derived: projection ${way}: ${JSON.stringify(rows)}`,
    );
  }
}
