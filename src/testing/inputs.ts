import fc from "fast-check";
import { z } from "zod";
import { formats, numbers, texts } from "./input_values.ts";

type Schema = z.core.JSONSchema.JSONSchema;

/** Values in a row that do not fit before it is said that there are none. */
const MISSES_MAX = 20_000;
/** JSON of any shape, for schemas that take anything. */
const anything = fc.jsonValue({ maxDepth: 2 });

/**
 * Values that a schema takes, as JSON: made from its JSON Schema, and held against the schema itself, which may
 * have refinements that JSON Schema cannot say.
 *
 * @param what Whose inputs they are, for errors.
 * @throws {TypeError} When the schema says something that no values can be made for; when values are made: when
 * hardly any fits.
 */
export function inputsOf(schema: z.ZodType, what: string): fc.Arbitrary<unknown> {
  const root: Schema = z.toJSONSchema(schema, { io: "input" });
  const made = fc.letrec((tie) => {
    const make = new Maker(what, (reference) => tie(reference));
    const definitions = Object.entries(root.$defs ?? {}).map(([name, definition]) =>
      [`#/$defs/${name}`, make.any(definition, "")] as const
    );
    return { ...Object.fromEntries(definitions), "#": make.any(root, "") };
  });
  return fitting(made["#"] as fc.Arbitrary<unknown>, (value) => fits(schema, value), what, "")
    .map((value): unknown => JSON.parse(JSON.stringify(value)));
}

/** Whether a schema takes a value. One that throws is let through: what runs the command is to see that. */
export function fits(schema: z.ZodType, value: unknown): boolean {
  try {
    return schema.safeParse(value).success;
  } catch {
    return true;
  }
}

/** Makes arbitraries from JSON Schema, as far as zod writes it. */
class Maker {
  /** Shared, so that a schema which refers to itself comes to an end: beyond it, what can be left out is. */
  readonly #depth = { depthIdentifier: fc.createDepthIdentifier(), maxDepth: 5 };

  constructor(
    private readonly what: string,
    private readonly tie: (reference: string) => fc.Arbitrary<unknown>,
  ) {}

  /** @param path Where in the input it is, for errors. */
  any(schema: Schema | boolean, path: string): fc.Arbitrary<unknown> {
    if (schema === true) return anything;
    if (schema === false) return this.#unknown("takes nothing", path);
    if (schema.$ref !== undefined) return this.tie(schema.$ref);
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const branches = schema.anyOf ?? schema.oneOf;
    if (branches) {
      // The first is what is left beyond the depth, and what others shrink to.
      const [simple, recursive] = partition(branches, (branch) => !JSON.stringify(branch).includes('"$ref"'));
      return this.#oneOf([...simple, ...recursive].map((branch) => this.any(branch, path)));
    }
    if (schema.allOf && schema.type !== "string") return this.#all(schema.allOf, path);
    if (Array.isArray(schema.type)) {
      return this.#oneOf(schema.type.map((type) => this.any({ ...schema, type }, path)));
    }
    switch (schema.type) {
      case "string":
        return this.#string(schema, path);
      case "integer":
      case "number":
        return numbers(schema);
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "array":
        return this.#array(schema, path);
      case "object":
        return this.#object(schema, path);
      default: {
        const { $schema: _, $defs: __, default: ___, ...rest } = schema;
        return Object.keys(rest).length === 0 ? anything : this.#unknown(JSON.stringify(rest), path);
      }
    }
  }

  #oneOf(branches: fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown> {
    return fc.oneof({ ...this.#depth, withCrossShrink: true }, ...branches);
  }

  /** An intersection of objects has the properties of all. */
  #all(parts: readonly (Schema | boolean)[], path: string): fc.Arbitrary<unknown> {
    return fc.tuple(...parts.map((part) => this.any(part, path))).map((values) =>
      Object.assign({}, ...values.filter((value) => value !== null && typeof value === "object"))
    );
  }

  /** Now and then nothing. */
  #optional<T>(list: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> {
    return fc.option(list, { ...this.#depth, nil: [], freq: 3 });
  }

  #array(schema: Schema, path: string): fc.Arbitrary<unknown> {
    const { prefixItems = [], items, minItems = 0, maxItems = Infinity } = schema;
    const first = fc.tuple(...prefixItems.map((item, index) => this.any(item, `${path}[${index}]`)));
    if (items === undefined || items === false || Array.isArray(items)) return first;
    const minLength = Math.max(minItems - prefixItems.length, 0);
    const rest = fc.array(this.any(items, `${path}[]`), {
      minLength,
      maxLength: Math.min(maxItems - prefixItems.length, minLength + 5),
    });
    return fc.tuple(first, minLength > 0 ? rest : this.#optional(rest)).map((parts) => parts.flat());
  }

  #object(schema: Schema, path: string): fc.Arbitrary<unknown> {
    const { properties = {}, required = [], propertyNames, additionalProperties: others } = schema;
    const known = new Map(Object.entries(properties).map(([name, value]) => [name, value]));
    if (typeof others === "object") {
      for (const name of required) if (!known.has(name)) known.set(name, others);
    }
    const parts = [...known].map(([name, value]) => {
      const isRequired = required.includes(name);
      // What can have no value can be left out.
      if (!isRequired && typeof value === "object" && value.not !== undefined) return fc.constant([]);
      const entry = this.any(value, `${path}.${name}`).map((inner) => [[name, inner]]);
      return isRequired ? entry : this.#optional(entry);
    });
    const isRecord = typeof others === "object" && (propertyNames !== undefined || known.size === 0);
    const more = isRecord
      ? this.#optional(
        fc.array(
          fc.tuple(this.any(propertyNames ?? { type: "string" }, `${path}{}`), this.any(others, `${path}{}`)),
          { maxLength: 4 },
        ),
      )
      : fc.constant([]);
    return fc.tuple(more, ...parts).map((entries) => Object.fromEntries(entries.flat()));
  }

  #string(schema: Schema, path: string): fc.Arbitrary<unknown> {
    const { minLength = 0, maxLength = Infinity, format, pattern, allOf = [] } = schema;
    const sources = [pattern, ...allOf.map((part) => typeof part === "object" ? part.pattern : undefined)]
      .filter((source) => source !== undefined);
    const patterns = sources.map((source) => this.#pattern(source, path));
    const [first] = patterns;
    const made = formats[format ?? ""]?.() ??
      (first ? this.#matching(first, path) : texts(minLength, maxLength));
    const isFit = (text: string) =>
      text.length >= minLength && text.length <= maxLength && patterns.every((regex) => regex.test(text));
    return fitting(made, isFit, this.what, path);
  }

  #pattern(source: string, path: string): RegExp {
    try {
      return new RegExp(source, "u");
    } catch {
      // One that is written without the flag, and cannot have it.
      try {
        return new RegExp(source);
      } catch {
        return this.#unknown(`has the pattern ${source}`, path);
      }
    }
  }

  #matching(pattern: RegExp, path: string): fc.Arbitrary<string> {
    try {
      return fc.stringMatching(pattern);
    } catch {
      return this.#unknown(`has the pattern ${pattern}`, path);
    }
  }

  #unknown(why: string, path: string): never {
    throw new TypeError(`${cannotMake(this.what, path)}: its schema ${why}; ${GIVE}`);
  }
}

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

const GIVE = "give an arbitrary of your own in `inputs`";

function cannotMake(what: string, path: string): string {
  return `Cannot make inputs of ${what}${path === "" ? "" : ` at ${path}`}`;
}

/** Those that fit. @throws {TypeError} When a value is made, and so many in a row have not. */
function fitting<T>(
  made: fc.Arbitrary<T>,
  isFit: (value: T) => boolean,
  what: string,
  path: string,
): fc.Arbitrary<T> {
  let misses = 0;
  return made.filter((value) => {
    if (isFit(value)) misses = 0;
    else if (++misses > MISSES_MAX) {
      throw new TypeError(`${cannotMake(what, path)}: hardly any value fits its schema; ${GIVE}`);
    }
    return misses === 0;
  });
}
