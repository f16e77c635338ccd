/** The report's style sheet: light and dark, as the reader's system says. */
import { BASE_STYLE } from '../../../../benchmarks/report/html/base-style.ts'

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --ink: #1c1e21; --soft: #62666d; --line: #e2e2dd; --panel: #f3f3ef;
  --accent: #2457c5; --good: #1d7a46; --bad: #c0341d;
  --us: #c2571a; --eu: #2457c5; --ap: #1d7a5f; --network: #b9bec7; --overhead: #2457c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e8e8e4; --soft: #9a9ea6; --line: #2c3036; --panel: #1d2024;
    --accent: #7aa5ff; --good: #5cc48a; --bad: #ff7d66;
    --us: #f0945c; --eu: #7aa5ff; --ap: #5ec9a7; --network: #4d535c; --overhead: #7aa5ff;
  }
}
${BASE_STYLE}
figcaption .n, .detail { color: var(--soft) }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink) }
.land { fill: none; stroke-width: 3; stroke-linecap: round; opacity: 0.55 }
.land.us-east { stroke: var(--us) } .land.eu-west { stroke: var(--eu) } .land.ap-south { stroke: var(--ap) }
.place { stroke: var(--paper); stroke-width: 2.5 }
.place.us-east { fill: var(--us) } .place.eu-west { fill: var(--eu) } .place.ap-south { fill: var(--ap) }
.link { fill: none; stroke: var(--ink); stroke-width: 1.6; stroke-dasharray: 5 4; opacity: 0.75 }
.badge { fill: var(--paper); stroke: var(--line) }
svg text.delay { font-weight: 600 }
svg text.region, svg text.leader { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round }
svg text.region { font-size: 16px; font-weight: 680 } svg text.leader { font-size: 12px }
.grid { stroke: var(--line); stroke-width: 1; fill: none }
svg text.tick { font-size: 12px; fill: var(--soft) }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.curve.acknowledged { stroke: var(--us) } .curve.everywhere { stroke: var(--accent) }
.legend i { display: inline-block; width: 18px; height: 8px; border-radius: 2px; margin-right: 7px; vertical-align: 1px }
.legend .round { width: 8px; border-radius: 50% }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; align-items: start }
figcaption { margin-bottom: 10px; display: flex; gap: 8px; align-items: baseline }
figcaption .n { margin-left: auto; font-size: 13px }
.network { fill: var(--network) } .overhead { fill: var(--overhead); opacity: 0.85 }
.whisker { stroke: var(--soft); stroke-width: 1.5; fill: none }
.p50 { fill: var(--ink) } .p95 { fill: var(--panel); stroke: var(--ink); stroke-width: 1.5 } .p99 { fill: var(--soft) }
svg text.number { font-size: 12px } svg text.way { font-size: 12.5px }
.checks { list-style: none; padding: 0; margin: 12px 0 0 }
.checks li { display: grid; grid-template-columns: 28px 1fr; padding: 9px 0; border-top: 1px solid var(--line) }
.checks .mark { font-weight: 700 } .passed .mark { color: var(--good) } .failed .mark, .failed b { color: var(--bad) }
.checks b { font-weight: 560 } .detail { font-size: 14px; overflow-wrap: anywhere }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 32px }
th.right, td.right { text-align: right } td.bar { width: 38%; padding-right: 0 }
td.bar span { display: block; height: 8px; border-radius: 2px; background: var(--accent); opacity: 0.8 }
`
