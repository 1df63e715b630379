/** Text of `value` with object keys in order, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  }) ?? "null";
}

/**
 * Whether `value` comes back from stored JSON text as it went in: no dates, maps, class instances, NaN, half
 * surrogate pairs and the like.
 * A property that is undefined is let through, for it reads the same when it is gone.
 */
export function isJson(value: unknown): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object") return false;
  if (Array.isArray(value)) return Array.from(value).every(isJson);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(([key, inner]) =>
    inner === undefined || (key.isWellFormed() && isJson(inner))
  );
}

/** Whether all texts and keys in a JSON value are Unicode (RFC 7493, 2.1): none has half a surrogate pair. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, part]) => key.isWellFormed() && isWellFormed(part));
}

/** Whether arrays and objects in a JSON text nest deeper than `depthMax`; linear, without recursion. */
export function nestsDeeperThan(json: string, depthMax: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++; // a backslash: the next character is escaped
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > depthMax) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}

/** Freezes `value` and all in it. Stops at what is frozen already, so shared parts cost nothing. */
export function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key in value) {
      const inner = value[key];
      if (typeof inner === "object") deepFreeze(inner);
    }
  }
  return value;
}
