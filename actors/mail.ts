import { activity, type ActivityContext, FinalError } from "folio";
import nodemailer, { type Transporter } from "nodemailer";
import { z } from "zod";
import { serviceUrl, standIn } from "./settings.ts";

/** How mail is sent, whoever sends it: a mail server that is down for an hour costs nobody a mail. */
const delivery = {
  output: z.object({ mailId: z.string() }),
  timeout: "30s",
  concurrency: 10,
  retry: { attemptsMax: 20, delayMs: 1_000, delayMsMax: 300_000 },
  circuitBreaker: { failuresMax: 5, halfOpenAfter: "30s" },
} as const;

/** Sends a mail to `SMTP_URL`; where that is not set, as a file into `mail/` in the data folder. */
export const sendEmail = activity("send-email", {
  ...delivery,
  input: z.object({ to: z.email(), subject: z.string().min(1).max(200), text: z.string() }),
  run: (mail, context) => send(mail, context),
});

/** Greets somebody who has signed up. */
export const sendWelcomeEmail = activity("send-welcome-email", {
  ...delivery,
  input: z.object({ email: z.email(), name: z.string() }),
  run: ({ email, name }, context) =>
    send(
      { to: email, subject: "Welcome", text: `Hello ${name},\n\nit is good to have you here.\n` },
      context,
    ),
});

interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Sends a mail, which has the same id in each attempt: its receiver can tell a repetition. */
async function send(mail: Mail, context: ActivityContext): Promise<{ mailId: string }> {
  const mailId = `<${context.idempotencyKey}@folio>`;
  const message = {
    ...mail,
    from: "Folio <folio@localhost>",
    messageId: mailId,
    // What somebody calls themselves is text, and never a file or an address to read.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  const url = serviceUrl("SMTP_URL");
  if (url === undefined) {
    const { message: text } = await nodemailer.createTransport({ streamTransport: true, buffer: true })
      .sendMail(message);
    await writeMail(context, String(text));
    return { mailId };
  }
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(context.signal.reason);
  context.signal.addEventListener("abort", abort);
  const server = connect(url);
  try {
    await Promise.race([server.transport.sendMail(message), aborted.promise]);
    return { mailId };
  } catch (error) {
    if (isRefused(error)) throw new FinalError(error.message, { cause: error });
    throw error;
  } finally {
    context.signal.removeEventListener("abort", abort);
    server.release();
  }
}

/** Connections to a mail server, shared by the mails of the moment and closed after the last of them. */
let connected: { readonly url: string; readonly transport: Transporter; mails: number } | undefined;

function connect(url: string): { readonly transport: Transporter; release(): void } {
  const transport = () =>
    nodemailer.createTransport({
      url,
      pool: true,
      maxConnections: delivery.concurrency,
      connectionTimeout: 10_000,
      greetingTimeout: 10_000,
      socketTimeout: 20_000,
    });
  const shared = connected?.url === url ? connected : { url, transport: transport(), mails: 0 };
  connected = shared;
  shared.mails++;
  return {
    transport: shared.transport,
    release() {
      if (--shared.mails > 0) return;
      shared.transport.close();
      if (connected === shared) connected = undefined;
    },
  };
}

/** Whether the server has said that it will never take this mail (RFC 5321, 4.2.1). */
function isRefused(error: unknown): error is Error {
  return error instanceof Error && "responseCode" in error && Number(error.responseCode) >= 500;
}

/** In one step, so that no file is ever half a mail, also when an attempt that was given up goes on. */
async function writeMail({ idempotencyKey, attempt }: ActivityContext, text: string): Promise<void> {
  const folder = standIn("mail");
  await Deno.mkdir(`${folder}/drafts`, { recursive: true });
  const draft = `${folder}/drafts/${idempotencyKey}.${attempt}`;
  await Deno.writeTextFile(draft, text);
  await Deno.rename(draft, `${folder}/${idempotencyKey}.eml`);
}
