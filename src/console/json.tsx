/** @jsxImportSource hono/jsx */

/** Of a text that is clipped on the page, what is kept for its title. */
const TITLE_CHARS_MAX = 500;
/** A value that is no longer is shown on one line. */
const LINE_CHARS_MAX = 48;
/** A value that is longer is not shown whole: pages stay quick, and nobody reads on. */
const VALUE_CHARS_MAX = 20_000;

/**
 * @param isShort On one line, clipped where it is long; all of it is in its title.
 * @param whole Where all of a value is that is too long to be shown.
 */
export function Json(
  { value, label, isShort = false, whole }: {
    value: unknown;
    label: string;
    isShort?: boolean;
    whole?: string;
  },
) {
  if (isShort) {
    const text = JSON.stringify(value) ?? "–";
    return <code class="clip" title={text.slice(0, TITLE_CHARS_MAX)}>{text.slice(0, TITLE_CHARS_MAX)}</code>;
  }
  const text = value === undefined ? "–" : JSON.stringify(value, null, 2);
  if (text.length > VALUE_CHARS_MAX) {
    return (
      <>
        <pre
          class="json"
          tabindex={0}
          role="region"
          aria-label={label}
        >{text.slice(0, VALUE_CHARS_MAX)}…</pre>
        <p class="muted">
          The first {VALUE_CHARS_MAX} of {text.length} characters{whole && (
            <>
              : <a href={whole}>all of it</a>
            </>
          )}.
        </p>
      </>
    );
  }
  // Line ends within texts are escaped: these are of the layout.
  const line = text.replaceAll(/\n */g, " ");
  return (
    <pre class="json" tabindex={0} role="region" aria-label={label}>
      {line.length <= LINE_CHARS_MAX ? line : text}
    </pre>
  );
}
