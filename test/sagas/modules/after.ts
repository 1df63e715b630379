import { saga } from "folio";
import { z } from "zod";

/** As in `before.ts`, but for those of more than one nap. */
const naps = saga("naps", {
  input: z.object({ times: z.int() }),
  run: async (step, { times }) => {
    if (times > 1) await step.sleep("rest", "1h");
    for (let i = 0; i < times; i++) await step.sleep("nap", "1h");
  },
});

export default [naps];
