/** A small tree laid out as this repository is, with its configurations, to plant breaches in. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from '../../scripts/lib/command.ts'

const CONFIGURATION = [
  '.oxlintrc.json',
  'package.json',
  'scripts/lint',
  'tsconfig.base.json',
  'tsconfig.json',
]

export interface PlantedTree extends Disposable {
  readonly root: string
}

/** Writes `files` (path → text) into a fresh folder; disposing removes it. */
export function plantTree(files: Readonly<Record<string, string>>): PlantedTree {
  const root = mkdtempSync(join(tmpdir(), 'meridian-planted-'))
  for (const path of CONFIGURATION) cpSync(join(ROOT, path), join(root, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'junction')
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
