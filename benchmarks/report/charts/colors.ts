/** Colors of all drawings, light and dark, and the rules of their classes. */

/** Variables for `selector`, as the reader's system says. */
export function colorVariables(selector: string): string {
  return `${selector} {
  color-scheme: light dark;
  --paper: #fcfcfa; --ink: #1c1e21; --soft: #5f636a; --line: #e2e2dd; --panel: #f3f3ef;
  --accent: #2457c5; --good: #1d7a46; --bad: #c0341d; --warn: #8a6200;
  --physics: #d3d5d9; --limit: #1c1e21; --allowed: #cfe6d6; --raw: #8b5fbf;
  --c0: #2457c5; --c1: #c2571a; --c2: #1d7a5f; --c3: #8b5fbf; --c4: #a8842c; --c5: #b03a6a;
  --c6: #3c8aa6; --c7: #6d6f75; --c8: #5f8a2c;
}
@media (prefers-color-scheme: dark) { ${selector} {
  --paper: #15171a; --ink: #e8e8e4; --soft: #a0a4ac; --line: #2c3036; --panel: #1d2024;
  --accent: #7aa5ff; --good: #5cc48a; --bad: #ff7d66; --warn: #e0b252;
  --physics: #3a3f47; --limit: #e8e8e4; --allowed: #1f4a33; --raw: #b99ae0;
  --c0: #7aa5ff; --c1: #f0945c; --c2: #5ec9a7; --c3: #b99ae0; --c4: #d9bb6a; --c5: #ec86ab;
  --c6: #7cc4de; --c7: #a3a6ad; --c8: #a5cf70;
} }`
}

/** How many colors lines have before they begin anew. */
export const COLORS = 9

const LINES = Array.from(
  { length: COLORS },
  (_, i) =>
    `path.c${i} { stroke: var(--c${i}) } circle.c${i} { fill: var(--c${i}) } .swatch.c${i} { background: var(--c${i}) } rect.c${i} { fill: var(--c${i}) }`,
).join('\n')

/** The rules of the classes that drawings use. */
export const CHART_STYLE = `
svg { display: block; overflow: visible; font-variant-numeric: tabular-nums }
svg text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: var(--ink) }
svg text.tick { font-size: 12px; fill: var(--soft) }
svg text.haloed { paint-order: stroke; stroke: var(--panel); stroke-width: 4px; stroke-linejoin: round }
.grid { stroke: var(--line); stroke-width: 1; fill: none }
.physics { fill: var(--physics) } .allowed { fill: var(--allowed) }
.limit { stroke: var(--limit); stroke-width: 2 }
.raw { stroke: var(--raw); stroke-width: 2; stroke-dasharray: 3 2 }
.rail { stroke: var(--accent); stroke-width: 2; opacity: 0.55 }
.rung { stroke: var(--accent); stroke-width: 2.5; stroke-linecap: round }
.rung.p95 { stroke-width: 2.2 } .rung.p99 { stroke-width: 2 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke }
.line.physical { stroke-width: 1.2; stroke-dasharray: 2 4; opacity: 0.8 }
${LINES}
`
