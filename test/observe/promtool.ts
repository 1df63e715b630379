/**
 * Runs Prometheus' own checker.
 *
 * @throws {Error} When it is not there: Debian's package `prometheus` has it.
 */
export async function promtool(
  args: readonly string[],
  input = "",
): Promise<{ code: number; said: string }> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("promtool", {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    throw new Error("Cannot run promtool: install Debian's package prometheus", { cause });
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}
