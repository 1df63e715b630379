const left = new Set([".git", "node_modules", "data", "tmp"]);

/**
 * A copy of the repository as it is now, in a temporary folder; packages are those of the repository.
 *
 * @returns Its path; to be removed by who asks for it.
 */
export async function copyRepository(root: string): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "folio-mutants-" });
  await copyFolder(root, copy, left);
  await Deno.symlink(await Deno.realPath(`${root}/node_modules`), `${copy}/node_modules`);
  await Deno.mkdir(`${copy}/tmp`);
  return copy;
}

async function copyFolder(from: string, to: string, without?: ReadonlySet<string>): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (without?.has(name)) continue;
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
