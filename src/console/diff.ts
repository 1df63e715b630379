/** One place of a JSON value in which two values differ. */
export interface Difference {
  /** E.g. `lines.0.price`; empty for the value itself. */
  readonly path: string;
  /** JSON text; undefined where it is not there. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const DIFFERENCES_MAX = 500;
const TEXT_CHARS_MAX = 1_000;

/** In what two JSON values differ, place by place. */
export function differences(before: unknown, after: unknown): Difference[] {
  const found: Difference[] = [];
  const visit = (path: readonly string[], a: unknown, b: unknown) => {
    if (found.length >= DIFFERENCES_MAX) return;
    const [before, after] = [JSON.stringify(a), JSON.stringify(b)];
    if (before === after) return;
    if (isObject(a) && isObject(b) && Array.isArray(a) === Array.isArray(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        visit([...path, key], valueAt(a, key), valueAt(b, key));
      }
    } else found.push({ path: path.join("."), before: clip(before), after: clip(after) });
  };
  visit([], before, after);
  return found;
}

function clip(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= TEXT_CHARS_MAX) return text;
  return `${text.slice(0, TEXT_CHARS_MAX)}… (${text.length} characters)`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object";
}

function valueAt(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
