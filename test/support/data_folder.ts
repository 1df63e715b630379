import process from "node:process";

/** Where the sample modules put their mail and payments, unless a test says otherwise: never into the project. */
export default function useDataFolder(): () => void {
  const folder = Deno.makeTempDirSync({ prefix: "folio-data-" });
  process.env.FOLIO_DATA = folder;
  return () => Deno.removeSync(folder, { recursive: true });
}
