import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { invalidKeyReason, isMessageId, parseActorName } from "../../src/core/message.ts";

describe("invalidKeyReason", () => {
  test.each([
    ["one byte a character", "k"],
    ["two bytes a character", "é"],
    ["four bytes a character", "😀"],
  ])("takes 512 bytes and refuses one more, with %s", (_, char) => {
    const count = 512 / new TextEncoder().encode(char).length;
    const longest = char.repeat(count);
    expect(invalidKeyReason(longest)).toBeUndefined();
    expect(invalidKeyReason(`${longest}k`)).toBe("it is longer than 512 bytes");
  });

  test("takes three-byte characters up to 510 bytes and refuses 513", () => {
    expect(invalidKeyReason("語".repeat(170))).toBeUndefined();
    expect(invalidKeyReason("語".repeat(171))).toBe("it is longer than 512 bytes");
  });

  test("refuses an empty key", () => {
    expect(invalidKeyReason("")).toBe("it is empty");
  });

  test.each(["\0", "\n", "\r", "\t", "\x1f", "\x7f", "\x80", "\x9f"])(
    "refuses the control character %j",
    (char) => {
      expect(invalidKeyReason(`a${char}b`)).toBe("it has control characters");
    },
  );

  // Would catch two actors becoming one: UTF-8 writes every lone surrogate as the same replacement character.
  test.each(["\ud800", "a\udfffb", "\udc00\ud800", "😀\ud83d"])("refuses the lone surrogate in %j", (key) => {
    expect(invalidKeyReason(key)).toBe("it is not well-formed Unicode");
  });

  // A browser takes these for steps up the path, even when they are escaped.
  test.each([".", ".."])("refuses %j", (key) => {
    expect(invalidKeyReason(key)).toBe("URLs cannot hold it");
  });

  test.each([
    " ",
    "a/b/c",
    "%2F",
    "%2e",
    "ünï",
    "a b",
    "...",
    "a/..",
    "\u00a0",
    "\u{10ffff}",
    "'\"\\",
    "then",
  ])(
    "takes %j",
    (key) => {
      expect(invalidKeyReason(key)).toBeUndefined();
    },
  );

  // Would catch a key that a client can write to but whose actor no URL leads to.
  test("a key that it takes survives UTF-8 and the path of a URL", () => {
    const dots = fc.string({ unit: fc.constantFrom(".", "/", "%", "2", "e", "\\", "?", "#"), maxLength: 4 });
    const key = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), dots);
    fc.assert(fc.property(key, (text) => {
      if (invalidKeyReason(text) !== undefined) return;
      const bytes = new TextEncoder().encode(text);
      expect(bytes.length).toBeLessThanOrEqual(512);
      expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)).toBe(text);
      const { pathname } = new URL(`http://localhost/actors/thing/${encodeURIComponent(text)}/add`);
      expect(pathname.split("/").map(decodeURIComponent)).toEqual(["", "actors", "thing", text, "add"]);
    }));
  });
});

describe("isMessageId", () => {
  test("takes 1 to 255 characters, and no more", () => {
    expect(isMessageId("")).toBe(false);
    expect(isMessageId("x")).toBe(true);
    expect(isMessageId("x".repeat(255))).toBe(true);
    expect(isMessageId("x".repeat(256))).toBe(false);
  });

  test("takes every printable ASCII character but the space, and no other", () => {
    const taken = Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)).filter(isMessageId);
    const printable = Array.from({ length: 0x5e }, (_, index) => String.fromCharCode(0x21 + index));
    expect(taken).toEqual(printable);
  });

  test.each(["a b", "a\n", "\na", "é", "😀", "a\u2028"])("refuses %j", (id) => {
    expect(isMessageId(id)).toBe(false);
  });
});

test("an actor's name parts at its first slash, so that keys may hold slashes", () => {
  fc.assert(fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/), fc.string(), (type, key) => {
    expect(parseActorName(`${type}/${key}`)).toEqual({ type, key });
  }));
  expect(parseActorName("file/a/b")).toEqual({ type: "file", key: "a/b" });
});
