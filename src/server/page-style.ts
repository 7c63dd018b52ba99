/** How pages look, by day and night, on paper-wide and on narrow screens. Held by them whole. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfcfa;
  --raised: #f4f2ee;
  --ink: #1d1f21;
  --soft: #5c5f63;
  --line: #dfdcd6;
  --accent: #0b5f54;
  --accent-ink: #ffffff;
  --warn: #8a3b00;
  --warn-paper: #fbeee2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141617;
    --raised: #1d2022;
    --ink: #e8e6e3;
    --soft: #a5a8ab;
    --line: #33373a;
    --accent: #7fd6c4;
    --accent-ink: #0c2723;
    --warn: #f2b27c;
    --warn-paper: #33231a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto;
  max-width: 62rem;
  padding: 2.5rem 2rem 3rem;
  background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, p, ul, ol, pre, table { margin: 0; }
h1 { font-size: 2.125rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.022em; }
h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 0.2em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
code, pre, .file { font: 0.875em/1.5 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.name { white-space: break-spaces; overflow-wrap: anywhere; }
.unseen { padding: 0 0.2em; border-radius: 3px; background: var(--warn-paper); color: var(--warn); font-size: 0.85em; }
.hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 1rem; top: -5rem; padding: 0.5rem 1rem; background: var(--accent); color: var(--accent-ink); }
.skip:focus { top: 0.75rem; }
.soft { color: var(--soft); }
.flag { display: inline-block; padding: 0 0.5em; border-radius: 1em; background: var(--warn-paper); color: var(--warn); font-size: 0.8125rem; font-weight: 600; }
.lead { margin-top: 0.625rem; max-width: 44rem; color: var(--soft); }
.lead strong { color: var(--ink); font-weight: 600; }

.session { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 1.5rem; margin-top: 1.5rem; padding: 0.875rem 1.125rem; border: 1px solid var(--line); border-radius: 10px; background: var(--raised); }
.session p { flex: 1 1 18rem; }
button { min-height: 2.5rem; padding: 0.4rem 1rem; border: 1px solid var(--accent); border-radius: 8px; background: transparent; color: var(--accent); font: inherit; font-weight: 600; cursor: pointer; }
button:hover { background: var(--accent); color: var(--accent-ink); }

.names { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 0.375rem 1.5rem; margin-top: 1.75rem; padding: 0.875rem 0; border-block: 1px solid var(--line); list-style: none; }
.names a { display: block; padding: 0.125rem 0; text-decoration: none; }
.names a:hover .name { text-decoration: underline; }
.names .name { font-weight: 600; }
.names .soft { display: block; font-size: 0.875rem; }

section { margin-top: 2.75rem; }
table { width: 100%; margin-top: 0.125rem; border-collapse: collapse; table-layout: fixed; }
caption { padding-bottom: 0.75rem; color: var(--soft); text-align: start; }
th, td { padding: 0.625rem 1.25rem 0.625rem 0; border-top: 1px solid var(--line); text-align: start; vertical-align: top; font-weight: inherit; }
th:last-child, td:last-child { padding-right: 0; }
thead th { padding-block: 0.375rem; color: var(--soft); font-size: 0.8125rem; border-top-color: var(--soft); }
.when { width: 12rem; }
.size { width: 6.5rem; text-align: end; padding-right: 2rem; white-space: nowrap; }
.kept { width: 9rem; }
tbody .when time { font-weight: 600; }
.aside { display: block; color: var(--soft); font-size: 0.875rem; }
.soon { color: var(--warn); font-weight: 600; }
.file a, .file .name { overflow-wrap: anywhere; }
.file a { display: inline-block; padding: 0.125rem 0; }
td .flag { margin-right: 0.375rem; font-family: system-ui, sans-serif; }
td .aside, td details { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }

summary { width: fit-content; padding: 0.25rem 0; color: var(--accent); cursor: pointer; }
summary:hover { text-decoration: underline; text-underline-offset: 0.2em; }
.volumes { margin: 0.25rem 0 0.75rem; padding: 0; list-style: none; }
.volumes li { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; padding: 0.125rem 0; }
.older { margin-top: 0.25rem; border-top: 1px solid var(--line); padding-top: 0.5rem; }
.pages { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; margin-top: 2.5rem; }
.pages a { padding: 0.25rem 0; font-weight: 600; }

.how ol { margin-top: 0.75rem; padding-left: 1.375rem; max-width: 46rem; }
.how li + li { margin-top: 0.75rem; }
.how li::marker { color: var(--soft); }
.how p { margin-top: 0.75rem; max-width: 46rem; }
pre { margin-top: 0.5rem; padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
.message { margin-top: 12vh; max-width: 36rem; }
.message p { margin-top: 0.875rem; }

@media (max-width: 44rem) {
  body { padding: 1.5rem 1rem 2rem; }
  h1 { font-size: 1.75rem; }
  section { margin-top: 2.25rem; }
  /* A row becomes a block of lines; its roles are stated, so that it stays a row for everybody. */
  table, tbody { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  caption { display: block; padding-bottom: 0.625rem; }
  tr { display: grid; grid-template-columns: 1fr auto; gap: 0.25rem 1rem; padding: 0.75rem 0; border-top: 1px solid var(--line); }
  th, td { padding: 0; border: 0; }
  .when, .size, .kept { width: auto; padding: 0; }
  .file, .kept { grid-column: 1 / -1; }
  .kept { order: 1; color: var(--soft); font-size: 0.875rem; }
  .kept::before { content: "Kept until "; }
  .kept .aside { display: inline; }
  .kept .aside::before { content: "· "; }
  .file a { padding: 0.5rem 0; }
  summary, .pages a, .names a { padding-block: 0.5rem; }
}
@media (prefers-reduced-motion: no-preference) {
  button, .skip { transition: background-color 0.12s, color 0.12s; }
}
@media (forced-colors: active) {
  .flag, .unseen { border: 1px solid; }
}
@media print {
  .skip, .session form, .pages { display: none; }
}
`;
