/** Figures as HTML, those that are not known in words. */
import { threeFigures } from '../names.ts'

/** Milliseconds, or why there are none. */
export function quantileHtml(valueMs: number | null): string {
  return valueMs === null ? '<span class="unknown">n too small</span>' : threeFigures(valueMs)
}

/** A sign that is also a word for those who do not see it. */
export function verdictMark(verdict: 'holds' | 'misses' | null): string {
  if (verdict === null) return '<span class="mark"></span>'
  const [style, sign, word] = verdict === 'holds' ? ['good', '✓', 'holds'] : ['bad', '✗', 'misses']
  return `<span class="mark ${style}" title="budget: ${word}"><span aria-hidden="true">${sign}</span><span class="unseen">budget ${word}</span></span>`
}
