/** The routes of reactors, as OpenAPI paths. */
import { headersOf, jsonBody, parametersOf, problemsOf } from "./openapi_parts.ts";
import { schemaOf } from "./openapi_schemas.ts";

const common = problemsOf(400, 401, 403, 503);
const nameParameter = {
  name: "name",
  in: "path",
  required: true,
  description: "A reactor.",
  schema: { type: "string" },
};

export const reactorPaths: Record<string, object> = {
  "/reactors": {
    get: {
      operationId: "listReactors",
      tags: ["Operations"],
      summary: "Reactors, and how far each has come.",
      responses: {
        200: {
          description: "All of them.",
          ...jsonBody({
            type: "object",
            properties: { reactors: { type: "array", items: schemaOf("Reactor") } },
            required: ["reactors"],
          }),
        },
        ...common,
      },
    },
  },
  "/reactors/{name}/replay": {
    parameters: [nameParameter],
    post: {
      operationId: "replayReactor",
      tags: ["Operations"],
      summary: "Ask what a reactor would send about events that it has seen; or send it again.",
      parameters: [
        {
          name: "resend",
          in: "query",
          description: "`true`: sends it again, in messages of other ids than the first time.",
          schema: { type: "string", enum: ["true", "false"], default: "false" },
        },
        ...parametersOf("from"),
      ],
      responses: {
        200: { description: "What it would send. Nothing was sent.", ...jsonBody(schemaOf("ReactorReplay")) },
        202: {
          description: "It is being sent: ask at `Location`.",
          headers: headersOf("Location"),
          ...jsonBody(schemaOf("Reactor")),
        },
        ...common,
        ...problemsOf(404, 409),
      },
    },
    delete: {
      operationId: "cancelReplay",
      tags: ["Operations"],
      summary: "Send no more. What has been sent has been sent.",
      responses: {
        200: { description: "The reactor goes on as ever.", ...jsonBody(schemaOf("Reactor")) },
        ...common,
        ...problemsOf(404),
      },
    },
  },
};
