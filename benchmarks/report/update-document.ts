/** Puts the tables of a run into a document, between markers; what stands around them stays. */
import { readFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { MeridianError } from '../../src/core/errors.ts'
import type { NamedHistogram } from '../step.ts'
import { renderMarkdown } from './markdown.ts'
import type { BenchResult } from './result.ts'
import { replaceFile } from './write-reports.ts'

const NAME = String.raw`[a-z0-9:._-]+`

/**
 * Replaces what stands between `<!-- bench:NAME:begin -->` and `<!-- bench:NAME:end -->` for each
 * block that the document has markers for. Markers of other runs are left as they are.
 *
 * @throws MeridianError `INVALID_VALUE`: a marker that begins and does not end, or the other way round
 */
export function replaceBlocks(document: string, blocks: ReadonlyMap<string, string>): string {
  checkMarkers(document)
  const between = new RegExp(
    `(<!-- bench:(${NAME}):begin -->)[\\s\\S]*?(<!-- bench:\\2:end -->)`,
    'g',
  )
  return document.replaceAll(between, (all: string, begin: string, name: string, end: string) => {
    const block = blocks.get(name)
    return block === undefined ? all : `${begin}\n${block}\n${end}`
  })
}

/**
 * Updates `path` and writes its plots into a folder beside it of the document's name:
 * `performance.md`, `performance/*.svg`. Returns the files written.
 *
 * @throws MeridianError `INVALID_VALUE`: no marker of this profile, or markers that do not match
 */
export async function updateDocument(
  result: BenchResult,
  histograms: readonly NamedHistogram[],
  path: string,
): Promise<readonly string[]> {
  const folder = basename(path, extname(path))
  const { blocks, plots } = renderMarkdown(result, { histograms, plotFolder: folder })
  const before = await readFile(path, 'utf8')
  if (![...blocks.keys()].some((name) => before.includes(`<!-- bench:${name}:begin -->`))) {
    throw new MeridianError(
      'INVALID_VALUE',
      `${path} has no place for the profile ${result.profile}.`,
      {
        fix: `Add <!-- bench:${result.profile}:begin --> and <!-- bench:${result.profile}:end --> to it.`,
      },
    )
  }
  const after = replaceBlocks(before, blocks)
  const used = plots.filter(({ name }) => after.includes(`${folder}/${name}`))
  for (const { name, svg } of used) await replaceFile(join(dirname(path), folder, name), svg)
  await replaceFile(path, after)
  return [path, ...used.map(({ name }) => join(dirname(path), folder, name))]
}

function checkMarkers(document: string): void {
  const open: string[] = []
  for (const [, name = '', side] of document.matchAll(
    new RegExp(`<!-- bench:(${NAME}):(begin|end) -->`, 'g'),
  )) {
    const current = open.at(-1)
    if (side === 'begin' && current === undefined) open.push(name)
    else if (side === 'end' && current === name) open.pop()
    else throw unmatched(side === 'begin' ? (current ?? name) : name)
  }
  const [left] = open
  if (left !== undefined) throw unmatched(left)
}

function unmatched(name: string): MeridianError {
  return new MeridianError('INVALID_VALUE', `The markers bench:${name} do not match.`, {
    fix: `Put <!-- bench:${name}:begin --> before <!-- bench:${name}:end -->, with no other between.`,
  })
}
