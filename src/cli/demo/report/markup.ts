/** Pieces that all parts of the report use. */

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A coordinate: a tenth of a pixel is enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** A number with separators. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Milliseconds as people read them; `null`: too few calls. */
export function ms(value: number | null): string {
  if (value === null) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** Round numbers from 0 to at least `most`, about `count` of them. */
export function ticks(most: number, count: number): readonly number[] {
  if (!(most > 0)) return [0, 1]
  const rough = most / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step)
}

/** A tick's label, without the noise of binary fractions. */
export function tickLabel(value: number): string {
  if (value >= 1000 && value % 1000 === 0) return `${whole(value / 1000)}k`
  return String(Number(value.toPrecision(6)))
}
