import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { renderMarkdown } from '../../../../benchmarks/report/markdown.ts'
import { markdownTable } from '../../../../benchmarks/report/markdown-table.ts'
import { replaceBlocks, updateDocument } from '../../../../benchmarks/report/update-document.ts'
import { makeFixture } from './fixture.ts'

const { result, histograms } = makeFixture()
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-markdown-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const DOCUMENT = `# Performance

Before.

<!-- bench:standard:strong:begin -->
old
<!-- bench:standard:strong:end -->

Between.

<!-- bench:full:growth:begin -->
of another run
<!-- bench:full:growth:end -->

After.
`

test('tables replace what is between markers, again and again; prose and other runs stay', async () => {
  const path = join(folder, 'performance.md')
  await writeFile(path, DOCUMENT)
  const written = await updateDocument(result, histograms, path)
  const once = await readFile(path, 'utf8')
  await updateDocument(result, histograms, path)
  expect(await readFile(path, 'utf8')).toBe(once)
  for (const kept of ['Before.', 'Between.', 'After.', 'of another run'])
    expect(once).toContain(kept)
  expect(once).not.toContain('\nold\n')
  expect(once).toContain(result.command)
  const plots = await readdir(join(folder, 'performance'))
  // Those of blocks that the document has, and no others.
  expect(plots.length).toBeGreaterThan(0)
  expect(plots.every((name) => name.startsWith('standard-strong-'))).toBe(true)
  expect(written).toHaveLength(1 + plots.length)
  for (const name of plots) {
    expect(once).toContain(`(performance/${name})`)
    const svg = await readFile(join(folder, 'performance', name), 'utf8')
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]*viewBox/)
    expect(svg).toContain('<title>')
    expect(svg).not.toMatch(/NaN|undefined|Infinity|href=|url\(/)
  }
})

test('a document without a place for the profile is refused and stays as it is', async () => {
  const path = join(folder, 'other.md')
  await writeFile(path, '# Other\n')
  await expect(updateDocument(result, histograms, path)).rejects.toMatchObject({
    code: 'INVALID_VALUE',
  })
  expect(await readFile(path, 'utf8')).toBe('# Other\n')
})

test('markers that do not match are refused', () => {
  const blocks = new Map([['a', 'new']])
  const begin = '<!-- bench:a:begin -->'
  const end = '<!-- bench:a:end -->'
  expect(replaceBlocks(`${begin}old${end}`, blocks)).toBe(`${begin}\nnew\n${end}`)
  expect(replaceBlocks(`${begin}${end}`, new Map([['a', '$& $1']]))).toBe(`${begin}\n$& $1\n${end}`)
  for (const wrong of [begin, end, `${end}${begin}`, `${begin}<!-- bench:b:begin -->${end}`]) {
    expect(() => replaceBlocks(wrong, blocks)).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE' }),
    )
  }
})

test('unknown quantiles are said in words, and signs of Markdown are escaped', () => {
  const { blocks } = renderMarkdown(result, { histograms, plotFolder: 'p' })
  const pinned = blocks.get('standard:pinned') ?? ''
  expect(pinned).toContain('n too small')
  expect(pinned).toContain('generator late')
  expect([...blocks.values()].join('')).not.toMatch(/NaN|undefined|Infinity/)
  expect(markdownTable([{ title: 'a|b', align: 'right' }], [['<x> `y` *z*']])).toBe(
    '| a\\|b |\n| ---: |\n| &lt;x&gt; \\`y\\` \\*z\\* |',
  )
})
