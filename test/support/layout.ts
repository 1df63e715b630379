/**
 * The rule of STYLE.md "Layout": imports point down only. A pure function of one file's path and text, so that
 * it can itself be tested.
 */
import { parseSync } from "vite";

/** What there is to import: one of the project's own parts, or something from outside. */
type Part = keyof typeof mayImport;
type Outside = "npm" | "node";

const allButMain = [
  ...["npm", "node", "config", "log", "client", "core", "store", "runtime"],
  ...["processors", "observe", "http", "console", "testing", "wiring", "mod"],
];

/** `core ← store ← runtime ← {processors, http} ← main`, and the pieces beside them. */
const mayImport = {
  core: ["npm", "core"],
  config: ["npm"],
  log: ["core"],
  client: ["npm", "core", "client"],
  store: ["npm", "node", "core", "store"],
  runtime: ["npm", "config", "core", "store", "runtime"],
  processors: ["npm", "node", "config", "core", "store", "runtime", "processors"],
  observe: ["npm", "node", "config", "core", "store", "runtime", "observe"],
  http: ["npm", "node", "config", "core", "store", "runtime", "http"],
  console: ["npm", "node", "config", "core", "store", "runtime", "http", "console"],
  testing: ["npm", "node", "config", "core", "store", "runtime", "wiring", "testing"],
  wiring: allButMain,
  mod: allButMain,
  main: [
    "npm",
    "node",
    "config",
    "log",
    "core",
    "store",
    "runtime",
    "processors",
    "http",
    "console",
    "wiring",
    "mod",
  ],
  actors: ["npm", "mod", "actors"],
} satisfies Record<string, readonly string[]>;

/** Where each part lives. */
const places: [path: string, part: Part][] = [
  ["src/core/", "core"],
  ["src/config.ts", "config"],
  ["src/log.ts", "log"],
  ["src/client.ts", "client"],
  ["src/client/", "client"],
  ["src/store/", "store"],
  ["src/runtime/", "runtime"],
  ["src/processors/", "processors"],
  ["src/observe/", "observe"],
  ["src/http/", "http"],
  ["src/console/", "console"],
  ["src/testing/", "testing"],
  ["src/create_runtime.ts", "wiring"],
  ["src/open_stores.ts", "wiring"],
  ["src/drain.ts", "wiring"],
  ["src/drain.ts", "wiring"],
  ["src/mod.ts", "mod"],
  ["src/main.ts", "main"],
  ["actors/", "actors"],
];

/** Parts that also run where there is neither Deno nor Node. */
const hostFree: readonly Part[] = ["core", "runtime"];

/** The import map of `deno.json`, as far as it names the project itself. */
const aliases: Readonly<Record<string, string>> = {
  "folio": "src/mod.ts",
  "folio/client": "src/client.ts",
  "folio/testing": "src/testing/mod.ts",
};

/**
 * What a file uses that it must not.
 *
 * @param file Path from the root of the project, e.g. `src/core/actor.ts`.
 * @param source Its text.
 * @returns One line an offence, `file: specifier`.
 */
export function layoutOffences(file: string, source: string): string[] {
  const part = partOf(file);
  if (!part) return [`${file}: is in no part of the layout`];
  const allowed: readonly string[] = mayImport[part];
  const offences: string[] = [];
  for (const { specifier, isComputed } of specifiersOf(file, source)) {
    // Only the composition root loads modules by a path that it is told.
    const isAllowed = isComputed ? part === "main" : allowed.includes(targetOf(file, specifier) ?? "unknown");
    if (!isAllowed) offences.push(`${file}: ${specifier}`);
  }
  if (hostFree.includes(part) && usesDeno(file, source)) offences.push(`${file}: Deno`);
  return offences;
}

/** All that a file imports, by whatever kind of statement, types included. */
export function specifiersOf(file: string, source: string): { specifier: string; isComputed: boolean }[] {
  const found: { specifier: string; isComputed: boolean }[] = [];
  visit(parse(file, source), (node) => {
    const at = importTypes.has(String(node.type)) ? node.source : workerSource(node);
    if (!isNode(at)) return;
    const isComputed = at.type !== "Literal";
    found.push({
      specifier: isComputed ? source.slice(Number(at.start), Number(at.end)) : String(at.value),
      isComputed,
    });
  });
  return found;
}

const importTypes = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType",
]);

/** The first argument of `new URL("./worker.ts", import.meta.url)`: how a worker's module is named. */
function workerSource(node: Node): unknown {
  if (node.type !== "NewExpression" || !isNode(node.callee) || node.callee.name !== "URL") return undefined;
  const [module, base] = node.arguments as unknown[];
  return isNode(base) && isNode(base.object) && base.object.type === "MetaProperty" ? module : undefined;
}

function usesDeno(file: string, source: string): boolean {
  let found = false;
  visit(parse(file, source), (node) => {
    if (node.type === "Identifier" && node.name === "Deno") found = true;
  });
  return found;
}

function partOf(path: string): Part | undefined {
  return places.find(([place]) => (place.endsWith("/") ? path.startsWith(place) : path === place))?.[1];
}

function targetOf(file: string, specifier: string): Part | Outside | undefined {
  const own = aliases[specifier];
  if (own) return partOf(own);
  if (/^\.{0,2}\//.test(specifier)) return partOf(new URL(specifier, `file:///${file}`).pathname.slice(1));
  if (specifier.startsWith("node:")) return "node";
  return /^(npm:|jsr:)?@?[a-z0-9]/.test(specifier) && !/^(https?|file|data|blob):/.test(specifier)
    ? "npm"
    : undefined;
}

type Node = Readonly<Record<string, unknown>>;

function parse(file: string, source: string): unknown {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new SyntaxError(`Cannot parse ${file}: ${errors[0]?.message}`);
  return program;
}

function isNode(value: unknown): value is Node {
  return value !== null && typeof value === "object";
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (!isNode(value)) return;
  if (typeof value.type === "string") see(value);
  for (const inner of Object.values(value)) visit(inner, see);
}
