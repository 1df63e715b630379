/** A process that runs the seeds it is given, and prints what came of each. */
import { exam } from "./exam.ts";
import type { Share } from "./workers.ts";

const { from, seeds, every, ...size }: Share = JSON.parse(Deno.args[0] ?? "");
for (let i = 0; i < seeds; i++) {
  const { trace: _, ...result } = await exam({ seed: from + i * every, ...size });
  console.log(JSON.stringify({ result }));
}
