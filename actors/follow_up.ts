import { saga } from "folio";
import { z } from "zod";
import { sendEmail } from "./mail.ts";

const Reply = z.object({ text: z.string().max(10_000).optional() });

/** Writes to somebody, reminds them after a day without a reply, and gives them up after another. */
export const followUp = saga("follow-up", {
  input: z.object({ email: z.email() }),
  output: z.object({
    outcome: z.enum(["replied", "stale"]),
    mailsSent: z.int(),
    text: z.string().optional(),
  }),
  signals: { replied: Reply },
  run: async (step, { email }) => {
    await step.perform("send", sendEmail, {
      to: email,
      subject: "How are you getting on?",
      text: "Hello,\n\nwe would like to hear from you.\n",
    });
    const first = await step.waitFor("replied", Reply, { within: "24h" });
    if (first) return { outcome: "replied", mailsSent: 1, ...first };
    await step.perform("remind", sendEmail, {
      to: email,
      subject: "A reminder",
      text: "Hello again,\n\nwe have not heard from you yet.\n",
    });
    const second = await step.waitFor("replied", Reply, { within: "24h" });
    if (second) return { outcome: "replied", mailsSent: 2, ...second };
    return { outcome: "stale", mailsSent: 2 };
  },
});
