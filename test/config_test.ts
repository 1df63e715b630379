import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, defaultLimits, environmentNames, isLoopback, parseConfig } from "../src/config.ts";

const token = "a-token-of-16-or-more";

test("without any variable everything has its default, and only this machine is listened to", () => {
  expect(parseConfig({})).toEqual({
    host: "127.0.0.1",
    port: 8000,
    data: "./data",
    dataToken: undefined,
    shards: 1,
    token: undefined,
    modules: "./actors/mod.ts",
    webhooksAllowPrivate: false,
    chain: false,
    log: "info",
    alertWebhook: undefined,
    traceRatio: 1,
  });
});

test("an empty variable counts as not set", () => {
  const empty = Object.fromEntries(environmentNames.map((name) => [name, ""]));
  expect(parseConfig(empty)).toEqual(parseConfig({}));
});

test("variables that are not Folio's are not looked at", () => {
  expect(parseConfig({ FOLIO_PROT: "x", PATH: "/bin", __proto__: "x" })).toEqual(parseConfig({}));
});

test("every setting can be set", () => {
  expect(parseConfig({
    FOLIO_HOST: "0.0.0.0",
    FOLIO_PORT: "0",
    FOLIO_DATA: "libsql://folio-{shard}.example",
    FOLIO_DATA_TOKEN: "secret",
    FOLIO_SHARDS: "256",
    FOLIO_TOKEN: token,
    FOLIO_MODULES: "/srv/mod.ts",
    FOLIO_WEBHOOKS_ALLOW_PRIVATE: "true",
    FOLIO_CHAIN: "1",
    FOLIO_LOG: "debug",
    FOLIO_ALERT_WEBHOOK: "https://example.com/hook",
    FOLIO_TRACE_RATIO: "0.01",
  })).toEqual({
    host: "0.0.0.0",
    port: 0,
    data: "libsql://folio-{shard}.example",
    dataToken: "secret",
    shards: 256,
    token,
    modules: "/srv/mod.ts",
    webhooksAllowPrivate: true,
    chain: true,
    log: "debug",
    alertWebhook: "https://example.com/hook",
    traceRatio: 0.01,
  });
});

test.each([
  ["FOLIO_PORT", "abc"],
  ["FOLIO_PORT", "65536"],
  ["FOLIO_PORT", "-1"],
  ["FOLIO_PORT", "80.5"],
  ["FOLIO_WEBHOOKS_ALLOW_PRIVATE", "yes"],
  ["FOLIO_SHARDS", "0"],
  ["FOLIO_SHARDS", "257"],
  ["FOLIO_SHARDS", "1.5"],
  ["FOLIO_SHARDS", "four"],
  ["FOLIO_TOKEN", "fifteen-letters"],
  ["FOLIO_TOKEN", "a token of more than 16"],
  ["FOLIO_TOKEN", "ein-schlüssel-mit-umlaut"],
  ["FOLIO_LOG", "loud"],
  ["FOLIO_TRACE_RATIO", "1.1"],
  ["FOLIO_CHAIN", "yes"],
  ["FOLIO_ALERT_WEBHOOK", "example.com"],
  ["FOLIO_ALERT_WEBHOOK", "file:///etc/passwd"],
])("%s=%s is refused by name, in one line", (name, value) => {
  expect(() => parseConfig({ [name]: value })).toThrow(ConfigError);
  expect(() => parseConfig({ [name]: value })).toThrow(new RegExp(`^Cannot start: ${name}: [^\\n]+$`));
});

test("all that is wrong is said at once", () => {
  expect(() => parseConfig({ FOLIO_PORT: "x", FOLIO_SHARDS: "x" })).toThrow(/FOLIO_PORT: .*; FOLIO_SHARDS: /);
});

// The token must not end up in a log because it was the reason to refuse.
test("a refused token is not repeated", () => {
  const secret = "geheim geheim geheim";
  let message = "";
  try {
    parseConfig({ FOLIO_TOKEN: secret });
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain("FOLIO_TOKEN");
  expect(message).not.toContain("geheim");
});

test.each([
  "0.0.0.0",
  "::",
  "[::]",
  "192.168.0.1",
  "10.0.0.1",
  "folio.example",
  "127.0.0.1.example",
  "128.0.0.1",
])(
  "%s is listened to only with a token",
  (host) => {
    expect(() => parseConfig({ FOLIO_HOST: host })).toThrow(`FOLIO_HOST is ${host}`);
    expect(parseConfig({ FOLIO_HOST: host, FOLIO_TOKEN: token }).host).toBe(host);
  },
);

test.each(["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])("%s needs no token", (host) => {
  expect(parseConfig({ FOLIO_HOST: host }).host).toBe(host);
});

test("only loopback names are loopback", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), (host) => {
    const isThisMachine = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host) ||
      ["localhost", "::1", "[::1]"].includes(host);
    expect(isLoopback(host)).toBe(isThisMachine);
  }));
});

test("any variables give a config or an error that names them", () => {
  const variables = fc.dictionary(fc.constantFrom(...environmentNames), fc.string());
  fc.assert(fc.property(variables, (variables) => {
    try {
      const { port, shards } = parseConfig(variables);
      expect(port).toBeLessThan(65_536);
      expect(shards).toBeGreaterThanOrEqual(1);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).toMatch(/FOLIO_[A-Z_]+/);
    }
  }));
});

test("every limit is a positive whole number", () => {
  for (const [name, limit] of Object.entries(defaultLimits)) {
    expect([name, Number.isSafeInteger(limit) && limit > 0]).toEqual([name, true]);
  }
});
