/**
 * The composition root: reads the settings, opens the store, serves, and stops in good order.
 */
import { pathToFileURL } from "node:url";
import { type Config, ConfigError, environmentNames, parseConfig } from "./config.ts";
import { createConsole } from "./console/console.tsx";
import { errorMessage } from "./core/errors.ts";
import type { Log } from "./core/log.ts";
import { createRuntime } from "./create_runtime.ts";
import { drain } from "./drain.ts";
import { createApp } from "./http/app.ts";
import { createLog } from "./log.ts";
import { type AnyModule, Registry } from "./runtime/registry.ts";
import { withoutSecrets } from "./open_stores.ts";
import { UnusableStoreError } from "./store/migrations.ts";

/**
 * Connections that wait to be taken; the system may allow fewer. Beyond it they are dropped and come again after a
 * second, two, four: where there is too much work, 429 in time is better.
 */
const TCP_BACKLOG = 4_096;

if (import.meta.main) {
  try {
    const config = parseConfig(
      Object.fromEntries(environmentNames.map((name) => [name, Deno.env.get(name)])),
    );
    await serve(config);
  } catch (error) {
    // What an operator can mend is said in one line; anything else is a bug, and keeps its stack.
    const isExpected = error instanceof ConfigError || error instanceof UnusableStoreError;
    console.error(isExpected ? error.message : error);
    Deno.exit(1);
  }
}

async function serve(config: Config): Promise<void> {
  const log = createLog({ level: config.log, isTerminal: Deno.stdout.isTerminal(), write: console.log });
  await checkCommas("FOLIO_DATA", config.data, ["read", "write"]);
  await checkCommas("FOLIO_MODULES", config.modules, ["read"]);
  const modules = await loadModules(config.modules);
  const runtime = await createRuntime({
    modules,
    data: config.data,
    dataToken: config.dataToken,
    shards: config.shards,
    chain: config.chain,
    webhooks: { allowPrivate: config.webhooksAllowPrivate },
    log,
    observe: { alertWebhook: config.alertWebhook, traceRatio: config.traceRatio },
    survivesStrayRejections: true,
  });
  endOnUncaught(log);
  const app = createApp(runtime, { token: config.token, shedsLoad: true });
  const consoleApp = createConsole(runtime, { token: config.token, api: app });
  // By the text of the URL: commands, which are many, pay nothing more for it.
  const isConsole = /^https?:\/\/[^/]+\/console([/?]|$)/;
  const server = listen(config, (request) => (isConsole.test(request.url) ? consoleApp : app).fetch(request));
  const signals = ["SIGINT", "SIGTERM"] as const;
  const { promise: told, resolve: tell } = Promise.withResolvers<string>();
  const onSignal = signals.map((signal) => () => tell(signal));
  signals.forEach((signal, index) => Deno.addSignalListener(signal, onSignal[index] as () => void));

  const { hostname, port } = server.addr;
  log("info", "Folio is ready", {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    data: withoutSecrets(config.data),
    shards: config.shards,
    modules: modules.map(({ name }) => name).join(","),
  });
  const signal = await told;
  log("info", "Draining", { signal });

  const inTime = await drain(runtime, () => server.shutdown());
  log(
    "info",
    inTime ? "Stopped" : "Stopped; what was not done in time is kept, and goes on with the next process",
  );
  Deno.exit(0);
}

/** Deno takes a comma in `--allow-read` and `--allow-write` for the end of a path, and refuses what is behind it. */
async function checkCommas(
  variable: string,
  path: string,
  needed: readonly ("read" | "write")[],
): Promise<void> {
  if (!path.includes(",") || /^[a-z]{2,}:/i.test(path)) return; // a URL is no path
  for (const name of needed) {
    const { state } = await Deno.permissions.query({ name, path });
    if (state === "granted") continue;
    const why = `Deno's permissions, which are lists with commas, do not let it be ${
      name === "read" ? "read" : "written"
    }`;
    throw new ConfigError(
      `Cannot use ${variable} ${path}: it has a comma, and ${why}. Use a path without one`,
    );
  }
}

function listen(
  config: Config,
  fetch: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve(
      { hostname: config.host, port: config.port, tcpBacklog: TCP_BACKLOG, onListen: () => {} },
      (request) => fetch(request),
    );
  } catch (error) {
    throw new ConfigError(`Cannot listen on ${config.host}:${config.port}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/**
 * After an exception that nothing caught (a module's timer, a bug of ours), what is in memory may be anything.
 * The process ends at once; the next one goes on from the disk, where all that was acknowledged is.
 */
function endOnUncaught(log: Log): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    const { error } = event;
    log("error", "Uncaught exception: this process ends", {
      error: error === undefined ? event.message : errorMessage(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    Deno.exit(1);
  });
}

async function loadModules(path: string): Promise<readonly AnyModule[]> {
  let modules: unknown;
  try {
    const url = /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : pathToFileURL(path).href;
    modules = (await import(url)).default;
  } catch (error) {
    throw new ConfigError(`Cannot load FOLIO_MODULES ${path}: ${firstLine(error)}`, { cause: error });
  }
  if (!Array.isArray(modules)) {
    throw new ConfigError(`Cannot use FOLIO_MODULES ${path}: its default export is no list of modules`);
  }
  try {
    new Registry(modules);
  } catch (error) {
    throw new ConfigError(`Cannot use FOLIO_MODULES ${path}: ${firstLine(error)}`, { cause: error });
  }
  return modules;
}

/** Of the text of an error: a syntax error's goes on with the source. */
function firstLine(error: unknown): string {
  return errorMessage(error).split("\n", 1)[0] ?? "";
}
