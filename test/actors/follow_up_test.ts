import { given } from "folio/testing";
import { test } from "vitest";
import { followUp } from "../../actors/follow_up.ts";
import { sendEmail } from "../../actors/mail.ts";

const first = {
  to: "ann@example.com",
  subject: "How are you getting on?",
  text: "Hello,\n\nwe would like to hear from you.\n",
};
const reminder = {
  to: "ann@example.com",
  subject: "A reminder",
  text: "Hello again,\n\nwe have not heard from you yet.\n",
};
const sent = { gives: { mailId: "<1@folio>" } };
const day = { within: "24h" } as const;
const written = () => given(followUp, { email: "ann@example.com" }).performs("send", sendEmail, first, sent);
const reminded = () =>
  written().waitsFor("replied", day, "nothing").performs("remind", sendEmail, reminder, sent);

test("a reply within a day ends it", async () => {
  await written().waitsFor("replied", day, { gets: { text: "fine" }, after: "23h" })
    .completes({ outcome: "replied", mailsSent: 1, text: "fine" });
});

test("after a day it reminds, and a reply within another day ends it", async () => {
  await reminded().waitsFor("replied#2", day, { gets: {}, after: "23h" })
    .completes({ outcome: "replied", mailsSent: 2 });
});

test("after two days it is given up", async () => {
  await reminded().waitsFor("replied#2", day, "nothing").completes({ outcome: "stale", mailsSent: 2 });
});

test("a reply that comes before the mail is known to be sent counts", async () => {
  await given(followUp, { email: "ann@example.com" })
    .signalled("replied", { text: "early" })
    .performs("send", sendEmail, first, sent)
    .completes({ outcome: "replied", mailsSent: 1, text: "early" });
});

test("a mail that cannot be sent ends it", async () => {
  await given(followUp, { email: "ann@example.com" }).performs("send", sendEmail, first, { dies: "refused" })
    .fails("dead-letter");
});
