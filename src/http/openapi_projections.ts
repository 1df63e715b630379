/** The routes of projections, as OpenAPI paths. */
import { z } from "zod";
import type { AnyProjection, QueryDefinition } from "../core/projection.ts";
import { embedSchema, type JsonSchema } from "./json_schema.ts";
import { headersOf, jsonBody, parametersOf, problemsOf } from "./openapi_parts.ts";
import { schemaOf } from "./openapi_schemas.ts";

const common = problemsOf(400, 401, 403, 503);

/** What every server has, whatever its projections. */
export const genericProjectionPaths: Record<string, object> = {
  "/projections": {
    get: {
      operationId: "listProjections",
      tags: ["Projections"],
      summary: "Read models, and how far each has come.",
      responses: {
        200: {
          description: "All of them.",
          ...jsonBody({
            type: "object",
            properties: { projections: { type: "array", items: schemaOf("Projection") } },
            required: ["projections"],
          }),
        },
        ...common,
      },
    },
  },
  "/projections/{name}/{query}": {
    parameters: [
      pathParameter("name", "A projection."),
      pathParameter("query", "A query of it. Its input is the query string."),
    ],
    get: {
      operationId: "queryProjection",
      tags: ["Projections"],
      summary: "Ask a projection.",
      parameters: parametersOf("Folio-At-Least", "If-None-Match"),
      responses: answers({ type: "object" }),
    },
  },
  "/projections/{name}/rebuild": {
    parameters: [pathParameter("name", "A projection.")],
    post: {
      operationId: "rebuildProjection",
      tags: ["Operations"],
      summary: "Build new tables beside those that serve; or compare with them.",
      parameters: [{
        name: "check",
        in: "query",
        description: "`true`: compares what a replay gives with what serves, and leaves it as it is.",
        schema: { type: "string", enum: ["true", "false"], default: "false" },
      }, ...parametersOf("from")],
      responses: {
        200: { description: "What the comparison has found.", ...jsonBody(schemaOf("ProjectionCheck")) },
        202: {
          description: "It is being built: ask at `Location`.",
          headers: headersOf("Location"),
          ...jsonBody(schemaOf("Projection")),
        },
        ...common,
        ...problemsOf(404, 409),
      },
    },
    delete: {
      operationId: "cancelRebuild",
      tags: ["Operations"],
      summary: "Give a build or a comparison up.",
      responses: {
        200: { description: "What serves, goes on.", ...jsonBody(schemaOf("Projection")) },
        ...common,
        ...problemsOf(404),
      },
    },
  },
};

/** A path a query, with the schemas that its input and rows are checked by. */
export function queryPaths(
  projection: AnyProjection,
  schemas: Record<string, JsonSchema>,
): Record<string, object> {
  return Object.fromEntries(
    [...projection.queries].map(([name, query]) => [
      `/projections/${projection.name}/${name}`,
      { get: queryOperation(projection.name, name, query, schemas) },
    ]),
  );
}

function queryOperation(
  projection: string,
  name: string,
  { input, row }: QueryDefinition,
  schemas: Record<string, JsonSchema>,
): object {
  const id = `projections.${projection}.${name}`;
  return {
    operationId: id,
    tags: ["Projections"],
    summary: `Ask ${projection} for ${name}.`,
    parameters: [...inputParameters(input, id, schemas), ...parametersOf("Folio-At-Least", "If-None-Match")],
    responses: answers(embedSchema(row, "output", `${id}.row`, schemas)),
  };
}

/** A parameter a member of the input, described as what the text becomes. */
function inputParameters(input: z.ZodType, id: string, schemas: Record<string, JsonSchema>): object[] {
  if (!(input instanceof z.ZodObject)) return [];
  return Object.entries<z.ZodType>(input.shape).map(([name, schema]) => ({
    name,
    in: "query",
    required: !isOptional(schema),
    schema: embedSchema(schema, "output", `${id}.${name.replaceAll(/[^\w.-]/g, "_")}`, schemas),
  }));
}

/** Whether a parameter may be left out. */
function isOptional(schema: z.ZodType): boolean {
  return schema.safeParse(undefined).success;
}

function answers(row: JsonSchema): object {
  return {
    200: {
      description: "What was found.",
      headers: headersOf("ETag", "Folio-Position"),
      ...jsonBody({
        type: "object",
        properties: {
          rows: { type: "array", items: row },
          isTruncated: { type: "boolean", description: "Whether there were more rows than may be given." },
          token: { type: "string", description: "Consistency token of what the rows reflect." },
          lagEvents: { type: "integer", minimum: 0 },
          isStale: { type: "boolean", description: "Whether the rows will not move on." },
        },
        required: ["rows", "isTruncated", "token", "lagEvents", "isStale"],
      }),
    },
    304: { description: "It is what `If-None-Match` names." },
    ...common,
    ...problemsOf(404, 422, 500),
  };
}

function pathParameter(name: string, description: string): object {
  return { name, in: "path", required: true, description, schema: { type: "string" } };
}
