/** Mail as `.eml` files, and to a real server. */
import { expect, onTestFinished, test } from "vitest";
import { sendEmail, sendWelcomeEmail } from "../../actors/mail.ts";
import { FinalError } from "../../src/mod.ts";
import { contextOf, useEnvironment } from "./activity_runs.ts";
import { MailServer } from "./mail_server.ts";

const mail = { to: "ann@example.com", subject: "Grüße", text: "Hello\n" };

test("without SMTP_URL a mail is a file, one however often it is sent", async () => {
  const { data } = useEnvironment({ SMTP_URL: "" });
  const sent = await sendEmail.run(mail, contextOf("k1"));
  expect(sent).toEqual({ mailId: "<k1@folio>" });
  await sendEmail.run(mail, contextOf("k1", { attempt: 2 }));
  const files = Array.from(Deno.readDirSync(`${data}/mail`), ({ name }) => name);
  expect(files.sort()).toEqual(["drafts", "k1.eml"]);
  expect([...Deno.readDirSync(`${data}/mail/drafts`)]).toEqual([]);
  const text = Deno.readTextFileSync(`${data}/mail/k1.eml`);
  expect(text).toContain("To: ann@example.com");
  expect(text).toContain("Message-ID: <k1@folio>");
  expect(text).toMatch(/\r\n\r\nHello/);
});

test("with SMTP_URL it goes to the server, with one id in all attempts", async () => {
  const { url, mails } = await MailServer.reserve().open();
  useEnvironment({ SMTP_URL: url });
  await sendWelcomeEmail.run({ email: "ann@example.com", name: "Ann" }, contextOf("k1"));
  await sendWelcomeEmail.run({ email: "ann@example.com", name: "Ann" }, contextOf("k1", { attempt: 2 }));
  expect(mails).toHaveLength(2);
  for (const text of mails) {
    expect(text).toContain("Message-ID: <k1@folio>");
    expect(text).toContain("Hello Ann");
  }
});

// Would catch a name that adds a header, a receiver or a file.
test("what people call themselves stays text", async () => {
  const { data } = useEnvironment({ SMTP_URL: "" });
  const name = 'Eve\r\nBcc: all@example.com\r\n\r\n<b>{"path": "/etc/passwd"}';
  await sendWelcomeEmail.run({ email: "eve@example.com", name }, contextOf("k1"));
  const [head = ""] = Deno.readTextFileSync(`${data}/mail/k1.eml`).split("\r\n\r\n");
  expect(head).not.toContain("Bcc");
});

test("a refusal for good is not tried again; one for now is", async () => {
  for (const [responseCode, isFinal] of [[550, true], [451, false]] as const) {
    const { url } = await MailServer.reserve().open({ responseCode });
    useEnvironment({ SMTP_URL: url });
    const error = await sendEmail.run(mail, contextOf("k1")).then(() => undefined, (error) => error);
    expect(error).toBeInstanceOf(Error);
    expect(error instanceof FinalError, String(error)).toBe(isFinal);
    expect(sendEmail.isRetryable(error)).toBe(!isFinal);
  }
});

test("a server that is down is an error that another attempt may mend", async () => {
  useEnvironment({ SMTP_URL: MailServer.reserve().url });
  const error = await sendEmail.run(mail, contextOf("k1")).then(() => undefined, (error) => error);
  expect(sendEmail.isRetryable(error)).toBe(true);
  expect(error).toMatchObject({ message: expect.stringContaining("ECONNREFUSED") });
});

test("an attempt that is aborted ends at once, though its server says nothing", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  onTestFinished(() => listener.close());
  useEnvironment({ SMTP_URL: `smtp://127.0.0.1:${listener.addr.port}` });
  const abort = new AbortController();
  const attempt = sendEmail.run(mail, contextOf("k1", { signal: abort.signal }));
  const connection = await listener.accept();
  onTestFinished(() => connection.close());
  abort.abort(new Error("too slow"));
  await expect(attempt).rejects.toThrow("too slow");
});

test("without a data folder there is no file to stand in, and that is final", async () => {
  useEnvironment({ SMTP_URL: "", FOLIO_DATA: "libsql://example.com" });
  const error = await sendEmail.run(mail, contextOf("k1")).then(() => undefined, (error) => error);
  expect(error).toBeInstanceOf(FinalError);
});
