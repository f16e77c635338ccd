/** The style sheet of the report: light and dark, narrow and wide, on paper. */
import { CHART_STYLE, colorVariables } from '../charts/colors.ts'
import { BASE_STYLE } from './base-style.ts'

export const STYLE = `
${colorVariables(':root')}
${BASE_STYLE}
${CHART_STYLE}
.incomplete { border-left: 4px solid var(--bad); padding: 8px 12px; margin: 0 0 16px }
.kicker { font-size: 14px; font-weight: 600; color: var(--soft); margin: 0 0 4px }
h1.good { color: var(--good) } h1.bad { color: var(--bad) }
.facts small { display: block; font-size: 13px; font-weight: 400; letter-spacing: 0; color: var(--soft) }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.number { text-align: right; white-space: nowrap }
.unknown, .soft { color: var(--soft) } td .unknown, td.unknown { font-size: 12.5px }
.good { color: var(--good) } .bad { color: var(--bad) }
th[scope=row], th[scope=rowgroup] { color: var(--ink); font-size: 14px; font-weight: 400 }
thead th { vertical-align: bottom; border-bottom-color: var(--soft) }
tbody tr:last-child > * { border-bottom: 0 }
.scroll { overflow-x: auto }
.scroll caption, .ladders caption { text-align: left }
.scroll caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px }
summary { cursor: pointer; color: var(--soft); font-size: 13px; font-weight: 400 }
details { font-weight: 400 } details ul { margin: 6px 0 4px; padding: 0; list-style: none; font-size: 13px }
.budget th[scope=row] { font-weight: 560 }
.budget .limit-text { display: block; font-weight: 400; font-size: 13px; color: var(--soft) }
.budget td, .budget th { padding-top: 8px; padding-bottom: 8px; vertical-align: top }
.budget tr.unknown th { color: var(--soft); font-weight: 400 }
.budget td.number, .budget td.share-cell, .budget td.bound { padding-top: 9px }
.budget tr.bad td.number { color: var(--bad); font-weight: 600 } .budget tr.good td.number { color: var(--ink) }
.budget td.bound { color: var(--ink) } .budget tr.unknown td.bound { color: var(--soft) }
.sign-cell { width: 26px; font-weight: 700 }
.budget th:nth-child(2) { width: 36% } .budget th:nth-child(3) { width: 22% } .share-head, .share-cell { width: 17% } .reason { white-space: normal }
.share-track { fill: var(--line) } .share-bar { fill: var(--good) } .share-bar.over { fill: var(--bad) } .share-bar.open { fill: var(--soft) }
.sign { display: inline-block; vertical-align: -2px; margin-right: 7px }
.physics-sign { width: 22px; height: 12px; background: var(--physics); border-right: 2px solid var(--limit) }
.allowed-sign { width: 22px; height: 12px; background: var(--allowed) }
.raw-sign { width: 0; height: 14px; border-left: 2px dashed var(--raw) }
.rung-sign { width: 2.5px; height: 12px; background: var(--accent); margin: 0 3px 0 8px } .rung-sign.tall { height: 16px; margin-left: 0 } .rung-sign.short { height: 8px }
.mode-title { font-size: 17px; margin: 30px 0 10px }
figure + figure { margin-top: 14px }
figcaption { margin-bottom: 8px; display: flex; flex-wrap: wrap; gap: 2px 8px; align-items: baseline }
figcaption .n { margin-left: auto; font-size: 13px; color: var(--soft) }
.pair { display: grid; grid-template-columns: minmax(0, 1fr) 330px; gap: 30px; align-items: start }
.no-curves .pair { grid-template-columns: minmax(0, 1fr) }
.ladders { table-layout: fixed }
.ladders th, .ladders td { padding: 1px 0 1px 8px; border-bottom-color: transparent; height: 28px }
.ladders thead th { padding-bottom: 3px; border-bottom: 0 }
.ladders th:first-child { padding-left: 0; width: 172px }
.ladders .plot-cell, .ladders .plot-head { padding-left: 10px }
.ladders th.number { width: 58px } .ladders th.p95, .ladders th.p99 { width: 78px } .ladders th.multiple { width: 88px } .ladders th.spread { width: 128px }
.swatch { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 8px }
.no-curves .swatch { display: none }
.mark { display: inline-block; width: 18px; text-align: right; font-weight: 700 }
.failed { display: block; font-size: 12.5px; color: var(--bad); white-space: normal }
.peers .ladders th:first-child { width: 34% }
.peers tr:not(.own) .rung, .peers tr:not(.own) .rail { stroke: var(--soft) }
.peers th[scope=row] { padding: 4px 0 } .durability { display: block; font-size: 12.5px; color: var(--soft) }
.peers tr.way th { font-weight: 600; padding-top: 12px } .peers .own b { color: var(--accent) }
.small-plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 14px; align-items: start }
.small-plots figure + figure { margin: 0 } .small-plots .swatch { margin: 0 5px 0 0 }
.singles { margin-top: 20px; max-width: 640px }
.bar { display: inline-block; width: 64px; height: 6px; margin-right: 8px; vertical-align: 2px; text-align: left }
.bar span { display: block; height: 6px; border-radius: 2px; background: var(--accent); opacity: 0.75; margin-left: auto }
.delays { max-width: 640px; margin-bottom: 14px }
.notes { padding-left: 20px; max-width: 76ch } .notes li { margin: 4px 0 }
.environment { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 0 32px; margin: 8px 0 }
.environment div { display: flex; gap: 16px; justify-content: space-between; padding: 6px 0; border-bottom: 1px solid var(--line); font-size: 14px }
.environment dd { margin: 0; text-align: right; overflow-wrap: anywhere }
@media (max-width: 900px) { .pair { grid-template-columns: minmax(0, 1fr); gap: 14px } }
@media (max-width: 620px) {
  body { padding: 28px 16px 48px } h1 { font-size: 27px } figure { padding: 14px 12px 10px }
  .facts { grid-template-columns: 1fr 1fr } .facts div { padding: 12px 14px } .facts dd { font-size: 21px }
  .ladders, .ladders thead, .ladders tbody { display: block }
  .ladders tr { display: grid; grid-template-columns: 1fr 1fr 1fr; padding: 5px 0 }
  .ladders tr > *, .ladders th:first-child { width: auto; height: auto; padding: 0 }
  .ladders th:first-child { grid-column: 1 / 3; grid-row: 1 }
  .ladders .plot-cell, .ladders .plot-head { grid-column: 1 / -1; grid-row: 2; padding: 0 }
  .ladders td.number, .ladders td.late { grid-row: 3; text-align: left; font-size: 13px } .ladders td.late { grid-column: 1 / -1 }
  .ladders td.multiple { grid-column: 3; grid-row: 1; text-align: right }
  .ladders td.number[data-name]::before { content: attr(data-name) " "; color: var(--soft) }
  .ladders thead .number, .ladders thead .name { position: absolute; clip-path: inset(50%) }
  .ladders thead tr { padding: 0 }
  .peers .ladders th:first-child { grid-column: 1 / -1; width: auto }
  .peers .ladders td.spread { grid-column: 1 / -1; grid-row: 4; color: var(--soft) } .peers .ladders td.spread::before { content: "p95 of repetitions " }
  .budget, .budget tbody { display: block } .budget thead { position: absolute; clip-path: inset(50%) }
  .budget tr { display: grid; grid-template-columns: 22px 1fr auto; gap: 0 10px; padding: 10px 0; border-bottom: 1px solid var(--line) }
  .budget tr > *, .budget tr > :nth-child(n), .budget tr > .number, .budget tr > .bound, .budget tr > .share-cell { width: auto; padding: 0; border: 0 }
  .budget tr > * { grid-column: 2 / -1 } .budget .sign-cell { grid-column: 1; grid-row: 1 }
  .budget .share-cell { grid-column: 2 } .budget td.number { grid-column: 3 }
  .budget .bound { color: var(--soft); font-size: 13px }
}
@media print {
  :root { color-scheme: light } section { break-inside: auto } h2, h3, figcaption { break-after: avoid } tr { break-inside: avoid }
}
`
