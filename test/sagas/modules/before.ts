import { saga } from "folio";
import { z } from "zod";

const naps = saga("naps", {
  input: z.object({ times: z.int() }),
  run: async (step, { times }) => {
    for (let i = 0; i < times; i++) await step.sleep("nap", "1h");
  },
});

export default [naps];
