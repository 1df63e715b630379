/** Requests to URLs that somebody outside has chosen: over real sockets, to receivers on this machine. */
import { describe, expect, onTestFinished, test } from "vitest";
import { post, type PostOptions } from "../../src/processors/webhook_post.ts";
import { authority, certificate, privateKey } from "./certificates.ts";

const local = () => Promise.resolve(["127.0.0.1"]);

function options(given: Partial<PostOptions> = {}): PostOptions {
  return {
    headers: { "content-type": "text/plain", "x-mine": "1" },
    body: "bödy",
    signal: new AbortController().signal,
    responseBytesMax: 100,
    isPrivateAllowed: true,
    resolve: local,
    ca: [authority],
    ...given,
  };
}

function receiver(handler: (request: Request) => Response | Promise<Response>, isTls = false) {
  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen: () => {},
    ...(isTls ? { cert: certificate, key: privateKey } : {}),
  }, handler);
  onTestFinished(() => server.shutdown());
  return { port: server.addr.port };
}

/** Speaks the bytes that it is given, whatever it is sent. */
function rawReceiver(answer: string) {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(65_536));
      await connection.write(new TextEncoder().encode(answer)).catch(() => {});
      connection.close();
    }
  })();
  onTestFinished(async () => {
    listener.close();
    await serving;
  });
  return { port: listener.addr.port };
}

test.each([false, true])("a request arrives as it was sent, with TLS %s", async (isTls) => {
  const seen: Record<string, string | null>[] = [];
  const { port } = receiver(async (request) => {
    const { method, url, headers } = request;
    seen.push({
      method,
      url,
      host: headers.get("host"),
      mine: headers.get("x-mine"),
      body: await request.text(),
    });
    return new Response("täken", { status: 202, headers: { "retry-after": "7" } });
  }, isTls);
  const scheme = isTls ? "https" : "http";
  const url = new URL(`${scheme}://receiver.test:${port}/a/b?c=d`);
  expect(await post(url, options())).toEqual({ status: 202, body: "täken", retryAfter: "7" });
  expect(seen).toEqual([{ method: "POST", url: url.href, host: url.host, mine: "1", body: "bödy" }]);
});

test.each([
  ["of another name", "other.test", [authority]],
  ["of nobody who is trusted", "receiver.test", undefined],
])("a certificate %s ends the connection before anything is sent", async (_, host, ca) => {
  let requests = 0;
  const { port } = receiver(() => new Response(String(++requests)), true);
  await expect(post(new URL(`https://${host}:${port}/`), options({ ca }))).rejects.toThrow();
  expect(requests).toBe(0);
});

test("a redirect is an answer like others, and not followed", async () => {
  let requests = 0;
  const { port } = receiver(() => {
    requests++;
    return new Response(null, { status: 307, headers: { location: `http://receiver.test:${port}/b` } });
  });
  expect(await post(new URL(`http://receiver.test:${port}/a`), options())).toMatchObject({ status: 307 });
  expect(requests).toBe(1);
});

test("no more of an answer is read than may be, even if it never ends", async () => {
  const { port } = receiver(() =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(999))),
      }),
    )
  );
  const { body } = await post(new URL(`http://receiver.test:${port}/`), options());
  expect(body).toBe("x".repeat(100));
});

test.each([
  ["is no HTTP", "nonsense\r\n\r\n"],
  ["is nothing", ""],
  ["stops in its head", "HTTP/1.1 200 OK\r\ncontent-le"],
  ["stops in its body", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"],
])("an answer that %s is an error", async (_, answer) => {
  const { port } = rawReceiver(answer);
  await expect(post(new URL(`http://receiver.test:${port}/`), options())).rejects.toThrow();
});

test("a receiver that is not there is an error", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  await expect(post(new URL(`http://receiver.test:${port}/`), options())).rejects.toThrow();
});

test("where there are both, the IPv4 address is taken", async () => {
  const { port } = receiver(() => new Response("here"));
  const resolve = () => Promise.resolve(["2001:db8::1", "127.0.0.1"]);
  expect(await post(new URL(`http://receiver.test:${port}/`), options({ resolve }))).toMatchObject({
    status: 200,
  });
});

describe("giving up", () => {
  test("while the receiver thinks", async () => {
    const late = new AbortController();
    const { promise: thinking, resolve: answer } = Promise.withResolvers<Response>();
    const { port } = receiver(() => {
      late.abort(new Error("too late"));
      return thinking;
    });
    const asked = post(new URL(`http://receiver.test:${port}/`), options({ signal: late.signal }));
    await expect(asked).rejects.toThrow("too late");
    answer(new Response());
  });

  test("while the name is looked up", async () => {
    const late = new AbortController();
    const resolve = () => {
      queueMicrotask(() => late.abort(new Error("too late")));
      return new Promise<string[]>(() => {});
    };
    const asked = post(new URL("http://receiver.test/"), options({ signal: late.signal, resolve }));
    await expect(asked).rejects.toThrow("too late");
  });

  test("before anything is done", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(post(new URL("http://receiver.test/"), options({ signal }))).rejects.toThrow("too late");
  });
});

describe("private addresses", () => {
  const refuse = (url: string, resolve = local) =>
    post(new URL(url), options({ isPrivateAllowed: false, resolve }));

  test.each([
    "http://127.0.0.1/",
    "http://2130706433/", // 127.0.0.1 as one number
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1]/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0/",
    "http://１２７.０.０.１/", // full-width digits, which the URL parser takes for others
    "https://localhost/",
    "https://receiver.test/",
  ])("%s is refused before a connection is made", async (url) => {
    await expect(refuse(url)).rejects.toThrow(/not (a )?public/);
  });

  test.each([
    ["its only", ["10.0.0.1"]],
    ["its first", ["127.0.0.1", "93.184.216.34"]],
    ["its last", ["93.184.216.34", "::1"]],
  ])("a name is refused when %s address is private", async (_, addresses) => {
    await expect(refuse("https://receiver.test/", () => Promise.resolve(addresses))).rejects.toThrow(
      "not public",
    );
  });

  test.each(["ftp://receiver.test/", "file:///etc/passwd", "data:text/plain,x", "http://u:p@receiver.test/"])(
    "%s is refused whatever is allowed",
    async (url) => {
      await expect(post(new URL(url), options())).rejects.toThrow("Cannot send to");
    },
  );

  // Would catch a second look-up by whoever makes the connection (DNS rebinding).
  test("the connection is made to the address that was checked", async () => {
    const { port } = receiver(() => new Response("here"));
    let lookedUp = 0;
    const resolve = () => Promise.resolve([lookedUp++ === 0 ? "127.0.0.1" : "192.0.2.1"]);
    const url = new URL(`http://nowhere.invalid:${port}/`);
    expect(await post(url, options({ resolve }))).toMatchObject({ body: "here" });
    expect(lookedUp).toBe(1);
  });
});
