import { SMTPServer } from "smtp-server";
import { onTestFinished } from "vitest";

/** A mail server on a port of its own, which keeps what it is sent. */
export class MailServer {
  /** Whole messages, in the order they came. */
  readonly mails: string[] = [];
  #server: SMTPServer | undefined;

  private constructor(readonly port: number) {}

  /** A port where nobody listens yet. */
  static reserve(): MailServer {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const server = new MailServer(port);
    onTestFinished(() => server.close());
    return server;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** Begins to listen. @param refuse What it answers whoever is to get a mail, instead of yes. */
  async open(refuse?: { responseCode: number }): Promise<this> {
    const server = this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      disableReverseLookup: true,
      logger: false,
      onRcptTo: (_address, _session, callback) => callback(refuse && Object.assign(new Error("no"), refuse)),
      onData: (stream, _session, callback) => {
        const decoder = new TextDecoder();
        let text = "";
        stream.on("data", (chunk: Uint8Array) => text += decoder.decode(chunk, { stream: true }));
        stream.on("end", () => {
          this.mails.push(text);
          callback();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", () => resolve()));
    return this;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
