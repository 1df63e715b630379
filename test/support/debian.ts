/**
 * Programs of Debian that some tests run. `.ci/run` installs them and sets `CI`, under which they must be there;
 * on a machine without them, those tests are counted as skipped.
 */
export function isMissing(path: string): boolean {
  if (Deno.env.get("CI")) return false;
  try {
    Deno.statSync(path);
    return false;
  } catch {
    return true;
  }
}

export const lacksPromtool = isMissing("/usr/bin/promtool");
export const lacksChromium = isMissing("/usr/bin/chromium");
