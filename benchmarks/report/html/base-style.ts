/** What the style sheets of all reports begin with: the page, its text, facts, figures, tables. */
export const BASE_STYLE = `
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 48px 24px 72px; max-width: 1180px;
  background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { font-size: 34px; line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 8px }
h2 { font-size: 22px; line-height: 1.3; letter-spacing: -0.01em; margin: 56px 0 6px }
h3 { font-size: 16px; margin: 18px 0 6px }
p { margin: 0 0 16px; max-width: 70ch }
.lead { font-size: 18px; color: var(--soft) }
.note, dt { color: var(--soft) }
.note { font-size: 14px }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 28px 0 20px; padding: 0 }
.facts div { background: var(--panel); border-radius: 10px; padding: 16px 18px }
.facts dt { font-size: 14px }
.facts dd { margin: 2px 0 0; font-size: 26px; font-weight: 620; letter-spacing: -0.01em }
.facts .good dd { color: var(--good) } .facts .bad dd { color: var(--bad) }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 14px; margin: 10px 0 14px; padding: 0; list-style: none }
.mode { font-size: 12px; padding: 1px 8px; border: 1px solid var(--line); border-radius: 9px; color: var(--soft) }
figure { margin: 0; padding: 16px 18px 12px; background: var(--panel); border-radius: 10px }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 13px }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line) }
pre { background: var(--panel); border-radius: 10px; padding: 14px 18px; overflow-x: auto; font-size: 14px }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
@media print { body { max-width: none; padding: 0 } figure { break-inside: avoid } }
`
