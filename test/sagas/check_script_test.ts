import { expect, test } from "vitest";
import { jsonLines, openRuntime, runTask } from "../scripts/support.ts";
import { temporaryFolder } from "../store/databases.ts";
import before from "./modules/before.ts";

const modules = (name: string) => new URL(`./modules/${name}.ts`, import.meta.url).pathname;

test("sagas check lists the running instances that would part, while a server runs, and changes nothing", async () => {
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules: before, data, shards: 2 });
  for (const [id, times] of [["a", 1], ["b", 2], ["c", 3], ["d", 0]] as const) {
    await runtime.sagas.start("naps", id, { times });
  }
  await runtime.sagas.cancel("naps", "c");
  const positions = runtime.positions();

  const fits = await runTask("sagas", "check", "--data", data, "--modules", modules("before"));
  expect(fits).toEqual({ code: 0, stdout: "2 running instances fit the code\n", stderr: "" });

  const parts = await runTask(
    "sagas",
    "check",
    "naps",
    "--data",
    data,
    "--modules",
    modules("after"),
    "--json",
  );
  expect(parts).toMatchObject({ code: 1, stderr: "1 of 2 running instances do not fit the code\n" });
  expect(jsonLines(parts.stdout)).toEqual([{
    actor: "naps/b",
    error: 'naps/b cannot go on: it has recorded sleep "nap" (step 0), and its code asks for sleep "rest"',
  }]);
  expect(runtime.positions()).toEqual(positions);
});

test("what cannot be checked is said in one line", async () => {
  const data = `${temporaryFolder()}/data`;
  await openRuntime({ modules: before, data });
  const check = async (...args: string[]) => {
    const { code, stderr } = await runTask("sagas", ...args, "--data", data, "--modules", modules("before"));
    return `${code} ${stderr.split("\n", 1)[0]}`;
  };
  expect(await check()).toBe("2 Cannot tell what to do: say list or check");
  expect(await check("check", "nothing")).toBe("2 Cannot check nothing: no such saga");
});
