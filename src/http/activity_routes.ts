import type { Hono } from "hono";
import type { ActivityMonitor } from "../runtime/activity_status.ts";
import { json } from "./problem.ts";
import { readQuery } from "./request.ts";
import { activityView } from "./views.ts";

/** How the activities of this process are doing. */
export function activityRoutes(app: Hono, activities: ActivityMonitor | undefined): void {
  app.get("/activities", (c) => {
    readQuery(c, {});
    return json(200, { activities: (activities?.list() ?? []).map(activityView) });
  });
}
