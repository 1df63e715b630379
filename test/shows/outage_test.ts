/** A service that is down costs nobody anything: what it is asked for waits, and is done when it is back. */
import { expect, test } from "vitest";
import { serve, type Served } from "../http/support.ts";
import { useEnvironment } from "../actors/activity_runs.ts";
import { MailServer } from "../actors/mail_server.ts";
import { fullCount } from "./full_count.ts";

const SIGN_UPS = fullCount(1_000, 5_000);
const LAST = `u${SIGN_UPS - 1}`;

/** Lets time pass in steps; attempts that talk to a real server get the real time that they need. */
async function pass(served: Served, forMs: number, stepMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < forMs; passedMs += stepMs) {
    await served.clock.advance(stepMs);
    await served.runtime.activities.idle();
  }
}

const welcomeOf = ({ runtime }: Served) => {
  const found = runtime.activities.list().find(({ name }) => name === "send-welcome-email");
  if (!found) throw new Error("No such activity");
  return found;
};

test("a mail server is down for 20 minutes while thousands sign up", async () => {
  const mailServer = MailServer.reserve();
  useEnvironment({ SMTP_URL: mailServer.url });
  const served = await serve();
  const startedAt = served.clock.now();
  for (let from = 0; from < SIGN_UPS; from += 250) {
    const answers = await Promise.all(
      Array.from({ length: 250 }, (_, index) => {
        const person = { email: `p${from + index}@example.com`, name: `P${from + index}` };
        return served.post(`/actors/user/u${from + index}/sign-up`, person);
      }),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  }
  expect(served.clock.now()).toBe(startedAt); // each was answered at once

  await pass(served, 60_000, 1_000);
  expect(welcomeOf(served)).toMatchObject({ queued: SIGN_UPS, circuit: { state: "open" } });
  await pass(served, 19 * 60_000, 5_000);
  const down = welcomeOf(served);
  expect(down).toMatchObject({ queued: SIGN_UPS, circuit: { state: expect.stringMatching(/open/) } });
  // The circuit lets one through every 30 s to see: no attempts are burnt.
  expect(down.attempts).toBeLessThan(80);
  expect(down.failures).toBe(down.attempts);
  const { body: early } = await served.get(`/actors/onboarding/${LAST}`);
  expect(Object.keys(early.state.results).sort()).toEqual([
    "check-fraud",
    "create-customer",
    "notify-channel",
  ]);

  await mailServer.open();
  for (let step = 0; step < 200 && welcomeOf(served).queued > 0; step++) await pass(served, 5_000, 5_000);
  await served.clock.settle();
  expect(welcomeOf(served)).toMatchObject({ queued: 0, running: 0, circuit: { state: "closed" } });
  const to = new Set(mailServer.mails.map((mail) => /^To: (.*?)\r?$/m.exec(mail)?.[1]));
  expect(to.size).toBe(SIGN_UPS);
  const { body: late } = await served.get(`/actors/onboarding/${LAST}`);
  expect(late.state).toMatchObject({
    isComplete: true,
    results: { "send-welcome-email": { output: { mailId: expect.any(String) } } },
  });
  expect((await served.get("/dead-letters")).body.deadLetters).toEqual([]);
}, 120_000);
