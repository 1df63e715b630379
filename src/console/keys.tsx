/** @jsxImportSource hono/jsx */

/** Pages that the menu has: their names, where they are, and the key after `g`. */
export const sections = [
  ["Overview", "/console", "o"],
  ["Dead letters", "/console/dead-letters", "d"],
  ["Actors", "/console/actors", "a"],
  ["Messages", "/console/messages", "m"],
  ["Events", "/console/events", "e"],
  ["Sagas", "/console/sagas", "s"],
  ["Projections", "/console/projections", "p"],
  ["Time", "/console/time", "t"],
  ["Activities", "/console/activities", "c"],
  ["Webhooks", "/console/webhooks", "w"],
  ["Audit", "/console/audit", "u"],
] as const;

const others = [
  ["?", "these keys"],
  ["/", "to the filter of the page"],
  ["j, k", "to the next and the previous row"],
  ["Enter", "opens it"],
  ["Esc", "closes this, leaves a field"],
] as const;

/** What keys there are: shown by `?`, which `console.js` listens to. */
export function Keys() {
  return (
    <dialog id="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        {others.map(([key, does]) => (
          <div>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        {sections.map(([name, , key]) => (
          <div>
            <dt>
              <kbd>g</kbd> <kbd>{key}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
