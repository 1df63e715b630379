/** Text that a terminal shows as it is: what would steer the terminal is escaped as in JSON. */
export function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex -- they are what is looked for
    /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value as JSON on lines of its own. */
export function pretty(value: unknown): string {
  return printable(JSON.stringify(value, null, 2) ?? String(value));
}

/** Names and values in two columns; a value that is undefined is left out. */
export function fields(pairs: readonly (readonly [name: string, value: string | undefined])[]): string {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value = ""]) => `${name.padEnd(width)}  ${printable(value)}`).join("\n");
}
