import dns from "node:dns/promises";
import http from "node:http";
import net from "node:net";
import tls from "node:tls";
import { refusedRange } from "./addresses.ts";

/** Addresses of a host name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  /** More of the answer's body is not read. */
  readonly responseBytesMax: number;
  readonly isPrivateAllowed: boolean;
  readonly resolve?: Resolve | undefined;
  /** Certificates to trust beside those that are trusted anyway (PEM). */
  readonly ca?: readonly string[] | undefined;
}

/** What a receiver answered. */
export interface Posted {
  readonly status: number;
  /** As much of the body as may be read, as text. */
  readonly body: string;
  readonly retryAfter: string | undefined;
}

/** A URL that no request is sent to, whoever asks for it. */
export class RefusedUrlError extends Error {
  override readonly name = "RefusedUrlError";
}

/**
 * Sends one POST request to a URL that somebody outside has chosen. The host is resolved here, each of its
 * addresses checked, and the connection made to one that was: a name that stands for another address a moment
 * later (DNS rebinding) changes nothing. Redirects are not followed. No connection is used twice.
 *
 * @throws {RefusedUrlError} When it is not `http` or `https`, or an address is not public.
 * @throws {Error} When the host cannot be resolved or reached, or the answer is none.
 */
export async function post(url: URL, options: PostOptions): Promise<Posted> {
  const address = await checkedAddress(url, options);
  const { promise, resolve, reject } = Promise.withResolvers<Posted>();
  const socket = connect(url, address, options);
  const request = http.request({
    method: "POST",
    host: hostOf(url),
    port: portOf(url),
    path: url.pathname + url.search,
    headers: {
      ...options.headers,
      host: url.host,
      "content-length": new TextEncoder().encode(options.body).byteLength,
      connection: "close",
    },
    signal: options.signal,
    createConnection: () => socket,
  }, (response) => {
    readBody(response, options.responseBytesMax).then((body) => {
      const retryAfter = response.headers["retry-after"];
      resolve({ status: response.statusCode ?? 0, body, retryAfter });
    }, reject).finally(() => request.destroy());
  });
  // It also ends a connection that is being made.
  const abort = () => socket.destroy();
  options.signal.addEventListener("abort", abort, { once: true });
  socket.on("error", reject);
  request.on("error", reject);
  request.end(options.body);
  try {
    return await promise;
  } catch (error) {
    throw options.signal.aborted ? options.signal.reason : error;
  } finally {
    options.signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/**
 * Why no request may be sent to a URL, as far as that can be told without resolving its host.
 *
 * @returns Undefined where it may.
 */
export function refusedUrlReason(url: URL, isPrivateAllowed: boolean): string | undefined {
  if (url.protocol !== "https:" && url.protocol !== "http:") return "it must begin with https:// or http://";
  if (url.username !== "" || url.password !== "") return "it must not hold a user name or password";
  if (url.hash !== "") return "it must not hold a fragment";
  const host = hostOf(url);
  if (!net.isIP(host) || isPrivateAllowed) return undefined;
  const range = refusedRange(host);
  return range && `its address is not a public one (${range})`;
}

async function checkedAddress(url: URL, options: PostOptions): Promise<string> {
  const reason = refusedUrlReason(url, options.isPrivateAllowed);
  if (reason) throw new RefusedUrlError(`Cannot send to ${url.host}: ${reason}`);
  const host = hostOf(url);
  const addresses = net.isIP(host)
    ? [host]
    : await untilAborted(options.signal, (options.resolve ?? resolveHost)(host));
  for (const address of addresses) {
    const range = options.isPrivateAllowed ? undefined : refusedRange(address);
    // Which address is not said: whoever chose the name would learn what ours resolves it to.
    if (range) {
      throw new RefusedUrlError(
        `Cannot send to ${url.host}: it has an address that is not public (${range})`,
      );
    }
  }
  // Many machines have addresses of both kinds, and a way to those of the first only.
  const first = addresses.find((address) => net.isIPv4(address)) ?? addresses[0];
  if (first === undefined) throw new Error(`Cannot send to ${url.host}: it has no address`);
  return first;
}

/** A look-up cannot be called off; its answer is not waited for any longer. */
async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return await Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

/** The addresses that a host name stands for, as this system says. */
export async function resolveHost(hostname: string): Promise<string[]> {
  return (await dns.lookup(hostname, { all: true })).map(({ address }) => address);
}

function connect(url: URL, address: string, { ca }: PostOptions): net.Socket {
  const to = { host: address, port: portOf(url) };
  if (url.protocol === "http:") return net.connect(to);
  const host = hostOf(url);
  const name = net.isIP(host) ? {} : { servername: host };
  return tls.connect({ ...to, ...name, ALPNProtocols: ["http/1.1"], ...(ca ? { ca: [...ca] } : {}) });
}

async function readBody(response: http.IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk.subarray(0, bytesMax - length));
    length += chunk.byteLength;
    if (length >= bytesMax) break;
  }
  return new TextDecoder().decode(await new Blob(chunks as BlobPart[]).bytes());
}

/** The host as it is looked up: an IPv6 address without its brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}
