"""Looks and behavior of the report: the style sheet and the few lines that sort the table."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #dfe3ea;
  --paper: #ffffff; --card: #f7f8fa; --fused: #d9480f; --maximum: #5b7fa6; --average: #8a94a3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #333b49;
  --paper: #14181f; --card: #1b212b; --fused: #ff8a4c; --maximum: #8fb3da; --average: #9aa4b5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 40px 24px 64px; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em;
  overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 48px 0 8px; letter-spacing: -0.01em; }
p { max-width: 72ch; margin: 8px 0 16px; }
.soft { color: var(--soft); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 5px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin-bottom: 20px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px 6px 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; }
.group th { border-bottom: 0; color: var(--ink); padding-bottom: 0; }
th:first-child, td:first-child, .left { text-align: left; }
td.name { font-weight: 600; }
td.fused { color: var(--fused); font-weight: 600; }
td.meaning { color: var(--soft); white-space: normal; text-align: left; min-width: 24em; }
.plots { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px 6px; }
.card h3 { margin: 0; font-size: 15px; }
.card h3 span { font-weight: 400; color: var(--soft); font-size: 13px; margin-left: 6px; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .grid { stroke: var(--line); }
svg .fused { fill: var(--fused); } svg .maximum { fill: var(--maximum); }
svg .average { fill: var(--average); }
svg circle { fill-opacity: 0.55; } svg circle:hover { fill-opacity: 1; }
svg .median { stroke: var(--ink); stroke-width: 2; }
figure { margin: 20px 0 28px; }
figure .three { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; }
figure img { width: 100%; display: block; border-radius: 6px; background: var(--card); }
figcaption { margin-bottom: 6px; }
figcaption b { margin-right: 10px; }
.three small { color: var(--soft); }
details { margin-top: 48px; } summary { cursor: pointer; font-size: 20px; font-weight: 600; }
#pairs th { cursor: pointer; } #pairs th:hover { color: var(--ink); }
#pairs td { font-size: 13px; padding: 3px 14px 3px 0; }
footer { margin-top: 56px; padding-top: 16px; border-top: 1px solid var(--line);
  color: var(--soft); font-size: 13px; }
@media print { details { display: none; } }
"""

SCRIPT = """
document.querySelectorAll('#pairs th').forEach((head, column) => {
  let descending = column === 0;
  head.addEventListener('click', () => {
    descending = !descending;
    const body = document.querySelector('#pairs tbody');
    const key = row => { const text = row.cells[column].textContent;
      return column === 0 ? text : parseFloat(text); };
    const order = (a, b) => (key(a) > key(b) ? 1 : key(a) < key(b) ? -1 : 0);
    [...body.rows].sort((a, b) => descending ? order(b, a) : order(a, b))
      .forEach(row => body.appendChild(row));
  });
});
"""
