/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { pathOf } from "./api.ts";
import { Act, type Console, type ConsoleEnv, page, perform } from "./page.tsx";
import { ActorLink, MessageLink, Status, Table, Text, Time } from "./parts.tsx";

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
              heads={["Schedule", "When", "Sends", "Status", "Fired", "Missed", "Last", "Next", ""]}
              empty="No module has a schedule."
              rows={schedules.map((schedule) => [
                <a class="name" href={`/console/actors${pathOf(["schedule", schedule.name])}`}>
                  {schedule.name}
                </a>,
                `${schedule.cron} ${schedule.timeZone}`,
                <>
                  {schedule.command} to <ActorLink actor={schedule.actor} />
                </>,
                <Status of={schedule.isPaused ? "paused" : "active"} />,
                schedule.fired,
                schedule.missed,
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

  for (const action of ["pause", "resume"] as const) {
    app.post(`/time/:name/${action}`, (c) => {
      const name = c.req.param("name");
      return perform(c, console, {
        ...{ method: "POST", path: pathOf(["schedules", name, action]), body: {} },
        ...{ name: `${action}-schedule`, target: `schedule ${name}`, back: HOME },
        done: action === "pause" ? "Paused" : "Resumed",
      });
    });
  }
}
