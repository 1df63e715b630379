/** A thread that runs the seeds it is given. */
import { exam } from "./exam.ts";
import type { Part, Said } from "./workers.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Part>) => void;
  postMessage(said: Said): void;
};

scope.onmessage = async ({ data: { from, seeds, ...size } }) => {
  for (let seed = from; seed < from + seeds; seed++) {
    const { trace: _, ...result } = await exam({ seed, ...size });
    scope.postMessage({ result });
  }
  scope.postMessage({ isDone: true });
};
