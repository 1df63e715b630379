import { type Child, startChild } from "../support/child.ts";

/** A real server under load, on a folder of its own. */
export class SoakServer implements AsyncDisposable {
  private constructor(readonly url: string, private readonly child: Child, private readonly folder: string) {}

  static async start(env: Record<string, string> = {}): Promise<SoakServer> {
    const folder = await Deno.makeTempDir({ prefix: "folio-soak-" });
    const child = startChild("src/main.ts", {
      env: {
        FOLIO_PORT: "0",
        FOLIO_DATA: folder,
        FOLIO_MODULES: "./scripts/soak/modules.ts",
        FOLIO_LOG: "info",
        ...env,
      },
    });
    const ready = await child.lineWith("url");
    if (!ready) throw new Error("The server ended before it was ready");
    return new SoakServer(String(ready.url), child, folder);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Memory that is in use, in bytes, and open file descriptors. */
  usage(): { rssBytes: number; descriptors: number } {
    const status = Deno.readTextFileSync(`/proc/${this.child.pid}/status`);
    const rssKb = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
    let descriptors = 0;
    for (const _ of Deno.readDirSync(`/proc/${this.child.pid}/fd`)) descriptors++;
    return { rssBytes: rssKb * 1024, descriptors };
  }

  async post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<number> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  }

  async get(path: string): Promise<number> {
    const response = await fetch(this.url + path);
    await response.arrayBuffer();
    return response.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.ended;
    await Deno.remove(this.folder, { recursive: true });
  }
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** Resolves after a time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
