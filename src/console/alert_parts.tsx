/** @jsxImportSource hono/jsx */
import type { Alert } from "../runtime/observation.ts";
import { pathOf } from "./api.ts";
import { Time } from "./parts.tsx";

/** All that fire, each with what to do. */
export function Alerts({ alerts }: { alerts: readonly Alert[] }) {
  if (alerts.length === 0) return <p class="notice done calm">No alert fires.</p>;
  return (
    <>
      {alerts.map((alert) => (
        <div class="alert" role="group" aria-label={alert.name}>
          <strong>
            <a href={alertHref(alert)}>{alert.message}</a>
          </strong>
          <p>{alert.whatToDo}</p>
          <p class="muted">
            {alert.name} · since <Time at={alert.firstSeenAt} /> · seen <Time at={alert.lastSeenAt} />
          </p>
        </div>
      ))}
    </>
  );
}

/** More than these push the numbers of the overview off the screen. */
const WHOLE_MAX = 2;
const SHORT_MAX = 8;

/** All that fire, for the overview: where there are many, a line each. */
export function AlertsInShort({ alerts }: { alerts: readonly Alert[] }) {
  if (alerts.length <= WHOLE_MAX) return <Alerts alerts={alerts} />;
  return (
    <div class="alert">
      <ul class="short">
        {alerts.slice(0, SHORT_MAX).map((alert) => (
          <li>
            <strong>
              <a href={alertHref(alert)}>{alert.message}</a>
            </strong>{" "}
            <span class="muted">
              since <Time at={alert.firstSeenAt} />
            </span>
          </li>
        ))}
      </ul>
      <p>
        <a href="/console/alerts">
          {alerts.length > SHORT_MAX ? `All ${alerts.length}, and what to do` : "What to do"}
        </a>
      </p>
    </div>
  );
}

/** Above every page: that something fires. It is there when nothing does, to be filled in live. */
export function AlertBar({ alerts, isHidden }: { alerts: readonly Alert[]; isHidden: boolean }) {
  const [first] = alerts;
  return (
    <div id="alert-bar" data-live hidden={isHidden}>
      {first && (
        <p class="alert-bar" role="status">
          <a href={alertHref(first)}>{first.message}</a>
          <a class="what-to-do" href="/console/alerts">
            {alerts.length === 1 ? "What to do" : `All ${alerts.length} alerts`}
          </a>
        </p>
      )}
    </div>
  );
}

type Place = (labels: Alert["labels"]) => [path: string[], query?: Record<string, string | undefined>];
const projection: Place = ({ projection = "" }) => [["projections", projection]];
const reactor: Place = ({ reactor = "" }) => [["reactors", reactor]];

/** Where to look into an alert, by its name. */
const places: Readonly<Record<string, Place>> = {
  "dead-letters": ({ type, command }) => [["dead-letters"], { type, command }],
  "queue-growing": ({ type }) => [["messages"], { status: "waiting", type }],
  "saga-stuck": ({ saga }) => [["sagas"], { status: "stuck", name: saga }],
  "activity-lag": ({ activity }) => [["messages"], { status: "waiting", type: `activity:${activity}` }],
  "circuit-open": () => [["activities"]],
  "projection-lag": projection,
  "projection-failed": projection,
  "reactor-lag": reactor,
  "reactor-failed": reactor,
};

function alertHref({ name, labels }: Alert): string {
  return `/console${pathOf(...places[name]?.(labels) ?? [["alerts"]])}`;
}
