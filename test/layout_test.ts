import { expect, test } from "vitest";
import { layoutOffences, specifiersOf } from "./support/layout.ts";

const root = new URL("..", import.meta.url);

/** Every TypeScript file below a folder of the project, by its path from the root. */
function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, root))].flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) return filesBelow(`${path}/`);
    return /\.tsx?$/.test(path) ? [path] : [];
  });
}

const files = ["src/", "actors/"].flatMap(filesBelow);
const textOf = (file: string) => Deno.readTextFileSync(new URL(file, root));

test("imports point down only", () => {
  expect(files.flatMap((file) => layoutOffences(file, textOf(file)))).toEqual([]);
});

// Would catch the check above looking at nothing, and so agreeing with everything.
test("the check sees the real files and what they import", () => {
  expect(files).toEqual(expect.arrayContaining([
    ...["src/core/actor.ts", "src/store/database_worker.ts", "src/runtime/runtime.ts", "src/mod.ts"],
    ...["actors/mod.ts", "src/config.ts", "src/client.ts", "src/create_runtime.ts"],
  ]));
  const imported = (file: string) => specifiersOf(file, textOf(file)).map(({ specifier }) => specifier);
  expect(imported("src/core/actor.ts")).toContain("./event.ts");
  expect(imported("src/store/worker_database.ts")).toContain("./database_worker.ts");
  expect(imported("actors/counter.ts")).toEqual(["folio", "zod"]);
});

test.each([
  ["src/core/actor.ts", "../store/events.ts"],
  ["src/core/actor.ts", "../config.ts"],
  ["src/core/actor.ts", "../runtime/turn.ts"],
  ["src/core/actor.ts", "node:crypto"],
  ["src/core/actor.ts", "folio"],
  ["src/store/events.ts", "../runtime/turn.ts"],
  ["src/store/events.ts", "../config.ts"],
  ["src/runtime/shard.ts", "../processors/relay.ts"],
  ["src/runtime/shard.ts", "../http/app.ts"],
  ["src/runtime/shard.ts", "../create_runtime.ts"],
  ["src/runtime/shard.ts", "node:timers"],
  ["src/processors/relay.ts", "../http/app.ts"],
  ["src/processors/relay.ts", "../main.ts"],
  ["src/observe/metrics.ts", "../http/app.ts"],
  ["src/observe/metrics.ts", "../processors/relay.ts"],
  ["src/runtime/shard.ts", "../observe/metrics.ts"],
  ["src/http/app.ts", "../observe/metrics.ts"],
  ["src/http/app.ts", "../processors/relay.ts"],
  ["src/http/app.ts", "../mod.ts"],
  ["src/http/app.ts", "../console/console.tsx"],
  ["src/console/console.tsx", "../processors/relay.ts"],
  ["src/console/console.tsx", "../observe/metrics.ts"],
  ["src/http/deep/app.ts", "../../processors/relay.ts"],
  ["src/http/app.ts", "./../processors/relay.ts"],
  ["src/testing/given.ts", "../http/app.ts"],
  ["src/client.ts", "./runtime/runtime.ts"],
  ["src/client.ts", "node:http"],
  ["src/client/reads.ts", "../config.ts"],
  ["src/config.ts", "./core/errors.ts"],
  ["src/config.ts", "node:process"],
  ["src/mod.ts", "./main.ts"],
  ["src/create_runtime.ts", "./main.ts"],
  ["src/main.ts", "../actors/mod.ts"],
  ["src/mod.ts", "../test/support/layout.ts"],
  ["src/runtime/shard.ts", "../../scripts/bench.ts"],
  ["src/store/events.ts", "https://example.com/x.ts"],
  ["actors/account.ts", "../src/core/actor.ts"],
  ["actors/account.ts", "folio/testing"],
  ["actors/account.ts", "node:fs"],
  ["actors/account.ts", "../test/support/layout.ts"],
])("%s may not import %s, in any way of importing", (file, specifier) => {
  const ways = [
    `import { a } from "${specifier}";`,
    `import type { A } from "${specifier}";`,
    `import {\n  a,\n  type B,\n} from '${specifier}';`,
    `import "${specifier}";`,
    `export { a } from "${specifier}";`,
    `export * from "${specifier}";`,
    `const a = await import("${specifier}");`,
    `type A = import("${specifier}").A;`,
    `const worker = new Worker(new URL("${specifier}", import.meta.url));`,
  ];
  for (const way of ways) expect(layoutOffences(file, way), way).toEqual([`${file}: ${specifier}`]);
});

test.each([
  ["src/core/actor.ts", "zod"],
  ["src/core/actor.ts", "./event.ts"],
  ["src/store/events.ts", "../core/event.ts"],
  ["src/store/libsql_database.ts", "@libsql/client"],
  ["src/runtime/shard.ts", "../config.ts"],
  ["src/runtime/shard.ts", "../store/events.ts"],
  ["src/processors/relay.ts", "../runtime/runtime.ts"],
  ["src/http/app.ts", "../runtime/runtime.ts"],
  ["src/http/security.ts", "node:crypto"],
  ["src/observe/metrics.ts", "../runtime/registry.ts"],
  ["src/console/console.tsx", "../http/app.ts"],
  ["src/main.ts", "./console/console.tsx"],
  ["src/create_runtime.ts", "./observe/observation.ts"],
  ["src/testing/given.ts", "../runtime/turn.ts"],
  ["src/client.ts", "./core/message.ts"],
  ["src/client.ts", "./client/reads.ts"],
  ["src/mod.ts", "./http/app.ts"],
  ["src/main.ts", "./create_runtime.ts"],
  ["actors/account.ts", "folio"],
  ["actors/account.ts", "npm:nodemailer@7"],
  ["actors/mod.ts", "./account.ts"],
])("%s may import %s", (file, specifier) => {
  expect(layoutOffences(file, `import { a } from "${specifier}";`)).toEqual([]);
});

test("an import in a comment or in a text is none", () => {
  const source = [
    "/**",
    " * @example",
    ' * import { app } from "../http/app.ts";',
    " */",
    '// import { app } from "../http/app.ts"; Deno.exit();',
    "/* import('../http/app.ts') */",
    "const text = 'import { app } from \"../http/app.ts\"; Deno.exit()'; const accept = '*/*'; /* Deno */",
    'const pattern = /\\/\\*/; const template = `import "../http/app.ts"`;',
  ].join("\n");
  expect(layoutOffences("src/core/actor.ts", source)).toEqual([]);
});

test.each(["src/core/actor.ts", "src/runtime/shard.ts"])("%s may not use Deno", (file) => {
  expect(layoutOffences(file, "const pid = Deno.pid;")).toEqual([`${file}: Deno`]);
  expect(layoutOffences(file, "function f(file: Deno.FsFile) {}")).toEqual([`${file}: Deno`]);
  expect(layoutOffences(file, "globalThis.Deno.exit();")).toEqual([`${file}: Deno`]);
  expect(layoutOffences("src/store/folder.ts", "const pid = Deno.pid;")).toEqual([]);
});

test("only main may import by a path that is computed", () => {
  const source = "const module = await import(path + '.ts');";
  expect(layoutOffences("src/main.ts", source)).toEqual([]);
  expect(layoutOffences("src/runtime/shard.ts", source)).toEqual(["src/runtime/shard.ts: path + '.ts'"]);
});

test("several offences are several lines, and a file in no part is one itself", () => {
  const source = `import "../http/app.ts";\nexport * from "node:fs";\nDeno.exit();`;
  expect(layoutOffences("src/runtime/shard.ts", source)).toEqual([
    "src/runtime/shard.ts: ../http/app.ts",
    "src/runtime/shard.ts: node:fs",
    "src/runtime/shard.ts: Deno",
  ]);
  expect(layoutOffences("src/util.ts", "")).toEqual(["src/util.ts: is in no part of the layout"]);
});
