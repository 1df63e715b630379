/** The routes of activities, as OpenAPI paths. */
import type { JsonSchema } from "./json_schema.ts";
import { jsonBody, problemsOf } from "./openapi_parts.ts";

const count: JsonSchema = { type: "integer", minimum: 0 };

const activity: JsonSchema = {
  type: "object",
  description: "How an activity is doing in this process.",
  properties: {
    name: { type: "string" },
    queued: { ...count, description: "For its turn, for its next attempt, or for a limit." },
    running: count,
    attempts: { ...count, description: "Since this process has started." },
    failures: { ...count, description: "Of these attempts." },
    p99Ms: {
      type: "number",
      minimum: 0,
      description: "So long, or less, took 99 of 100 of the newest runs.",
    },
    circuit: {
      type: "object",
      description: "Where it has a circuit breaker.",
      properties: {
        state: { enum: ["closed", "open", "half-open"] },
        probeAt: { type: "string", format: "date-time", description: "When one attempt is let through." },
        error: { type: "string", description: "Why it opened." },
      },
      required: ["state"],
    },
  },
  required: ["name", "queued", "running", "attempts", "failures"],
};

export const activityPaths: Record<string, object> = {
  "/activities": {
    get: {
      operationId: "listActivities",
      tags: ["Operations"],
      summary:
        "Activities: how many wait and run, how long they take, and whether their circuits are closed.",
      responses: {
        200: {
          description: "All of them.",
          ...jsonBody({
            type: "object",
            properties: { activities: { type: "array", items: activity } },
            required: ["activities"],
          }),
        },
        ...problemsOf(400, 401, 403),
      },
    },
  },
};
