import { expect, test } from "vitest";
import { ServerProcess, start, temporaryFolder } from "./support.ts";

/** Starts a server that must refuse to, in one line and without touching anything. */
async function refusal(env: Record<string, string>, cwd?: string): Promise<string> {
  const server = new ServerProcess(
    { FOLIO_DATA: temporaryFolder(), ...env },
    cwd === undefined ? {} : { cwd },
  );
  const { code, stderr } = await server.outcome();
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).not.toMatch(/^\s+at /m);
  return stderr.trimEnd();
}

function moduleFile(source: string): string {
  const path = `${temporaryFolder()}/mod.ts`;
  Deno.writeTextFileSync(path, source);
  return path;
}

test.each([
  [{ FOLIO_PORT: "abc" }, /^Cannot start: FOLIO_PORT: .*number/],
  [{ FOLIO_PORT: "65536" }, /^Cannot start: FOLIO_PORT: .*65535/],
  [{ FOLIO_PORT: "-1" }, /^Cannot start: FOLIO_PORT: /],
  [{ FOLIO_SHARDS: "0" }, /^Cannot start: FOLIO_SHARDS: /],
  [{ FOLIO_SHARDS: "many", FOLIO_LOG: "loud" }, /^Cannot start: FOLIO_SHARDS: .*; FOLIO_LOG: /],
  [{ FOLIO_TOKEN: "short" }, /^Cannot start: FOLIO_TOKEN: must be at least 16 characters$/],
  [{ FOLIO_HOST: "0.0.0.0" }, /^Cannot start: FOLIO_HOST is 0\.0\.0\.0, and without FOLIO_TOKEN /],
  [{ FOLIO_HOST: "::" }, /^Cannot start: FOLIO_HOST is ::, /],
  [{ FOLIO_HOST: "127.0.0.256" }, /^Cannot listen on 127\.0\.0\.256:0: /],
  [{ FOLIO_MODULES: "/nowhere/mod.ts" }, /^Cannot load FOLIO_MODULES \/nowhere\/mod\.ts: .*not found/],
  [{ FOLIO_DATA: "/proc/nowhere" }, /^Cannot use the folder \/proc\/nowhere: /],
  [
    { FOLIO_DATA: "http://localhost:9", FOLIO_SHARDS: "2" },
    /^Cannot use .* for 2 shards: it has no \{shard\}/,
  ],
])("%j is refused", async (env, reason) => {
  expect(await refusal(env)).toMatch(reason);
});

test.each([
  ["export const modules = [];", /^Cannot use FOLIO_MODULES \S+: its default export is no list of modules$/],
  ["export default {};", /its default export is no list of modules$/],
  ["export default [1];", /^Cannot use FOLIO_MODULES \S+: .*not a Folio module, 1$/],
  ["export default [undefined];", /not a Folio module, undefined$/],
  ["export default [", /^Cannot load FOLIO_MODULES \S+: .*/],
  ['throw new Error("not today\\nnor tomorrow");', /^Cannot load FOLIO_MODULES \S+: Error: not today$/],
  ['import "nothing-of-this-name";', /^Cannot load FOLIO_MODULES \S+: .*nothing-of-this-name/],
  [
    'import { actor } from "folio"; export default ["a", "a"].map((name) => ' +
    "actor(name, { initialState: () => 0, events: {}, evolve: {}, commands: {} }));",
    /two actor types are called a$/,
  ],
  [
    'import { actor } from "folio"; export default [actor("Bad Name", {})];',
    /^Cannot load FOLIO_MODULES \S+: TypeError: Cannot define actor type: /,
  ],
])("modules that are `%s` are refused", async (source, reason) => {
  expect(await refusal({ FOLIO_MODULES: moduleFile(source) })).toMatch(reason);
});

test("the number of shards is fixed once the folder is made", async () => {
  const data = temporaryFolder();
  await (await start({ FOLIO_DATA: data, FOLIO_SHARDS: "2" })).stop();
  for (const shards of ["1", "4"]) {
    const line = await refusal({ FOLIO_DATA: data, FOLIO_SHARDS: shards });
    expect(line).toBe(`Cannot use ${data}/shard-0.db: its shards is 2, not ${shards}`);
  }
  await start({ FOLIO_DATA: data, FOLIO_SHARDS: "2" });
});

// Would catch a shard that begins again from nothing because its file was left out of a copy.
test("a folder of which a shard is missing is refused, unless none of it was ever used", async () => {
  const data = temporaryFolder();
  await (await start({ FOLIO_DATA: data, FOLIO_SHARDS: "4" })).stop();
  Deno.removeSync(`${data}/shard-2.db`);
  const server = await start({ FOLIO_DATA: data, FOLIO_SHARDS: "4" });
  for (const key of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
    await fetch(`${server.url}/actors/counter/${key}/increment`, { method: "POST" }).then((response) =>
      response.text()
    );
  }
  await server.stop();
  Deno.removeSync(`${data}/shard-0.db`);
  const line = await refusal({ FOLIO_DATA: data, FOLIO_SHARDS: "4" });
  expect(line).toBe(`Cannot use ${data}: ${data}/shard-0.db is not there, but other shards are`);
});

test("a port that is taken is said to be", async () => {
  const first = await start({ FOLIO_DATA: temporaryFolder() });
  const line = await refusal({ FOLIO_PORT: `${first.port}` });
  expect(line).toMatch(new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${first.port}: .*in use`));
});

test("a damaged or foreign shard file is refused, and left as it is", async () => {
  const data = temporaryFolder();
  await (await start({ FOLIO_DATA: data })).stop();
  const file = `${data}/shard-0.db`;
  const garbage = crypto.getRandomValues(new Uint8Array(8_192));
  Deno.writeFileSync(file, garbage);
  const line = await refusal({ FOLIO_DATA: data });
  expect(line).toMatch(/^Cannot use .*shard-0\.db: .*not a database/);
  expect(Deno.readFileSync(file)).toEqual(garbage);
});

const lamp = `
import { actor, command } from "folio";
import { z } from "zod";
import { brightness } from "./brightness.ts";

export default [
  actor("lamp", {
    initialState: () => ({ on: false }),
    events: { Lit: z.object({}) },
    evolve: { Lit: () => ({ on: true }) },
    commands: {
      light: command(z.object({}), (turn) => {
        turn.emit("Lit", {});
        return { on: turn.state.on, brightness };
      }),
    },
  }),
];
`;

test.each(["absolute", "relative", "file URL"])(
  "anyone's folder of modules runs, given as %s path",
  async (how) => {
    // Spaces and signs that mean something in a URL.
    const folder = `${temporaryFolder()}/my #1 modules 100%`;
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/mod.ts`, lamp);
    Deno.writeTextFileSync(`${folder}/brightness.ts`, "export const brightness = 7;");
    const url = `file://${folder.split("/").map(encodeURIComponent).join("/")}/mod.ts`;
    const path = how === "absolute" ? `${folder}/mod.ts` : how === "relative" ? "./mod.ts" : url;
    const server = await start(
      { FOLIO_MODULES: path, FOLIO_DATA: how === "relative" ? "./data" : temporaryFolder() },
      { cwd: folder },
    );
    const response = await server.post("/actors/lamp/desk/light");
    expect(await response.json()).toMatchObject({ actor: "lamp/desk", reply: { on: true, brightness: 7 } });
    expect((await server.post("/actors/counter/c/increment")).status).toBe(404);
  },
);

test("with a token, every address may be listened to, and nobody gets in without it", async () => {
  const token = "a-token-of-16-or-more";
  const server = await start({ FOLIO_DATA: temporaryFolder(), FOLIO_HOST: "0.0.0.0", FOLIO_TOKEN: token });
  const url = `http://127.0.0.1:${server.port}`;
  const statusOf = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers });
    await response.body?.cancel();
    return response.status;
  };
  expect(await statusOf("/events")).toBe(401);
  expect(await statusOf("/health/ready")).toBe(200);
  expect(await statusOf("/events", { authorization: `Bearer ${token}` })).toBe(200);
});

// Would catch a folder that is refused with a word about a permission that the operator has given.
test("a folder whose name has a comma is refused by `deno task start` in words, and else is one like others", async () => {
  const data = `${temporaryFolder()}/books, old`;
  const started = await new Deno.Command(Deno.execPath(), {
    args: ["task", "start"],
    cwd: new URL("../..", import.meta.url).pathname,
    env: { FOLIO_DATA: data, FOLIO_PORT: "0", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  expect(started.code).toBe(1);
  expect(new TextDecoder().decode(started.stderr)).toContain(
    `Cannot use FOLIO_DATA ${data}: it has a comma, and Deno's permissions, which are lists with commas, do not`,
  );
  const server = await start({ FOLIO_DATA: data });
  expect((await server.post("/actors/counter/c/increment")).status).toBe(200);
});
