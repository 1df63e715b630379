import { z } from "zod";

/** A JSON Schema (2020-12), as OpenAPI 3.1 has it. */
export type JsonSchema = Record<string, unknown>;

/** Keywords whose value is a map from names to schemas. */
const schemaMaps = new Set(["properties", "patternProperties", "dependentSchemas"]);
/** Keywords whose value is data, in which `$ref` would mean nothing. */
const dataKeywords = new Set(["const", "default", "enum", "examples", "required"]);

/**
 * A zod schema as part of a larger document: what it defines for itself (`$defs`, and itself where it is
 * recursive) goes into `components`, since its references count from the top of the document it is in.
 *
 * @param name A name for what goes into `components`, unique in the document.
 * @param components Schemas of the document, which grows.
 */
export function embedSchema(
  schema: z.ZodType,
  io: "input" | "output",
  name: string,
  components: Record<string, JsonSchema>,
): JsonSchema {
  const { $schema: _, $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  const names = new Map(
    Object.keys($defs).map((id, index) => [id, `${name}.${id.replaceAll(/[^\w.-]/g, "_")}.${index + 1}`]),
  );
  let isRecursive = false;
  const rename = (reference: string) => {
    if (reference === "#") isRecursive = true;
    const id = reference.slice("#/$defs/".length).replaceAll("~1", "/").replaceAll("~0", "~");
    return `#/components/schemas/${names.get(id) ?? name}`;
  };
  for (const [id, component] of names) components[component] = withReferences(Object($defs[id]), rename);
  const embedded = withReferences(root, rename);
  if (!isRecursive) return embedded;
  components[name] = embedded;
  return { $ref: `#/components/schemas/${name}` };
}

function withReferences(schema: object, rename: (reference: string) => string): JsonSchema {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    return value !== null && typeof value === "object" ? withReferences(value, rename) : value;
  };
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (keyword === "$ref") return [keyword, rename(value)];
      if (dataKeywords.has(keyword)) return [keyword, value];
      if (!schemaMaps.has(keyword)) return [keyword, visit(value)];
      const inner = Object.entries(value).map(([name, schema]) => [name, visit(schema)]);
      return [keyword, Object.fromEntries(inner)];
    }),
  );
}
