/**
 * Runs a turn with nothing in reach that gives a turn another time, or another chance, each time it is run: what takes
 * them from elsewhere than from `turn` is told by name, where two runs within a millisecond would have given the same.
 */
export function sealed<T>(run: () => T): T {
  const opened = seals().map(([object, name, value]) => {
    const own = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
    return () => own ? Object.defineProperty(object, name, own) : Reflect.deleteProperty(object, name);
  });
  try {
    return run();
  } finally {
    for (const open of opened) open();
  }
}

function seals(): [object, string, unknown][] {
  const noTime = (what: string) => refusing(`${what} was called in a turn: take the time from turn.now`);
  const noChance = (what: string) =>
    refusing(`${what} was called in a turn: take ids from turn.id(), and chance from turn.random()`);
  const date = new Proxy(Date, {
    construct(target, args, newTarget) {
      if (args.length === 0) noTime("new Date()")();
      return Reflect.construct(target, args, newTarget);
    },
    apply: noTime("Date()"),
    get: (target, name) => name === "now" ? noTime("Date.now()") : Reflect.get(target, name),
  });
  return [
    [globalThis, "Date", date],
    [performance, "now", noTime("performance.now()")],
    [Math, "random", noChance("Math.random()")],
    [crypto, "randomUUID", noChance("crypto.randomUUID()")],
    [crypto, "getRandomValues", noChance("crypto.getRandomValues()")],
  ];
}

function refusing(message: string): () => never {
  return () => {
    throw new TypeError(message);
  };
}
