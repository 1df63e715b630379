/** Metrics and alerts, as OpenAPI paths. */
import type { JsonSchema } from "./json_schema.ts";
import { common, listOf, object, ok } from "./openapi_paths.ts";
import { problemsOf } from "./openapi_parts.ts";

const text: JsonSchema = { type: "string" };
const time: JsonSchema = { type: "string", format: "date-time" };

const alert = object({
  name: { type: "string", examples: ["dead-letters"] },
  labels: { type: "object", additionalProperties: text, description: "What it is about." },
  message: text,
  whatToDo: text,
  value: { type: "number", description: "What was measured when it was last seen, in the unit of `limit`." },
  limit: { type: "number" },
  firstSeenAt: time,
  lastSeenAt: time,
  clearedAt: time,
}, ["clearedAt"]);

export const observePaths = {
  "/metrics": {
    get: {
      operationId: "readMetrics",
      tags: ["Operations"],
      summary: "Metrics for Prometheus, or in the format of OpenMetrics where it is accepted.",
      responses: {
        200: {
          description: "The metrics.",
          content: { "text/plain": { schema: text }, "application/openmetrics-text": { schema: text } },
        },
        ...common,
        ...problemsOf(404),
      },
    },
  },
  "/alerts": {
    get: {
      operationId: "listAlerts",
      tags: ["Operations"],
      summary: "What an operator should know of: alerts that fire, and the last that are over.",
      responses: {
        ...ok("Alerts.", object({ alerts: listOf(alert), cleared: listOf(alert) })),
        ...common,
        ...problemsOf(404),
      },
    },
  },
};
