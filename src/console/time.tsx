/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { Act, action } from "./action.tsx";
import { pathOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { ActorLink, MessageLink, num, Status, Table, Text, Time } from "./parts.tsx";

const HOME = "/console/time";
const TIMERS_SHOWN = 200;

/** What will happen, and when: timers and schedules. */
export function timePages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;

  app.get("/time", async (c) => {
    const actor = c.req.query("actor") || undefined;
    const [timers, schedules] = await Promise.all([
      runtime.timers({ actor, limit: TIMERS_SHOWN }),
      runtime.schedules.list(),
    ]);
    return await page(
      c,
      { title: "Timers and schedules" },
      (
        <>
          <section id="schedules" data-live>
            <h2>Schedules</h2>
            <Table
              caption="Schedules"
              heads={["Schedule", "When", "Sends", "Status", num("Fired"), num("Missed"), "Last", "Next", ""]}
              empty="No module has a schedule."
              rows={schedules.map((schedule) => [
                <a class="name" href={hrefOf(schedule.name)}>{schedule.name}</a>,
                <span class="wrap">{schedule.cron} {schedule.timeZone}</span>,
                <>
                  {schedule.command} to
                  <div>
                    <ActorLink actor={schedule.actor} />
                  </div>
                </>,
                <Status of={schedule.isPaused ? "paused" : "active"} />,
                <a href={`${hrefOf(schedule.name)}#events`}>{schedule.fired}</a>,
                <a href={`${hrefOf(schedule.name)}#events`}>{schedule.missed}</a>,
                <Time at={schedule.firedAt} />,
                <Time at={schedule.next[0]} />,
                schedule.isPaused
                  ? <Act to={`${HOME}${pathOf([schedule.name, "resume"])}`} label="Resume" />
                  : <Act to={`${HOME}${pathOf([schedule.name, "pause"])}`} label="Pause" />,
              ])}
            />
          </section>
          <section>
            <h2>Timers</h2>
            <form class="row filter" role="search">
              <Text name="actor" label="Actor" value={actor} placeholder="type/key" />
              <button type="submit">Show</button>
            </form>
            <div id="timers" data-live>
              <Table
                caption="Timers"
                heads={["Due", "Actor", "Name", "Sends", "Set by"]}
                empty="None is set."
                rows={timers.map((timer) => [
                  <Time at={timer.dueAt} />,
                  <ActorLink actor={timer.actor} />,
                  timer.name ?? "delayed message",
                  <>
                    {timer.sends.command} to <ActorLink actor={timer.sends.actor} />
                  </>,
                  <MessageLink
                    id={timer.causationId ?? timer.messageId ?? ""}
                    actor={timer.actor}
                    correlation={timer.correlationId}
                  />,
                ])}
              />
              {timers.length === TIMERS_SHOWN && <p class="muted">The next {TIMERS_SHOWN}.</p>}
            </div>
          </section>
        </>
      ),
    );
  });

  for (const [does, done] of [["pause", "Paused"], ["resume", "Resumed"]] as const) {
    action(app, console, `/time/:name/${does}`, (c) => {
      const { name = "" } = c.req.param();
      return {
        ...{ name: `${does}-schedule`, target: `schedule ${name}`, back: HOME, done },
        ask: (api) => api("POST", pathOf(["schedules", name, does]), {}),
      };
    });
  }
}

/** A schedule is an actor: its log says when it fired, missed a time, was paused. */
function hrefOf(name: string): string {
  return `/console/actors${pathOf(["schedule", name])}`;
}
