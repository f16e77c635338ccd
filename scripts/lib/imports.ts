/** Holds the direction of imports (.dependency-cruiser.mjs) and proves that every file was seen. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { ROOT } from './command.ts'

const SOURCE_FOLDERS = [
  'src',
  'replication',
  'cdc',
  'crdt',
  'benchmarks',
  'examples',
  'scripts',
  'test',
]
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024
const TIMEOUT_MS = 120_000

const CruiseResult = z.object({
  modules: z.array(z.object({ source: z.string() })),
  summary: z.object({
    violations: z.array(
      z.object({
        from: z.string(),
        to: z.string(),
        rule: z.object({ name: z.string() }),
        cycle: z.array(z.object({ name: z.string() })).optional(),
        via: z.array(z.object({ name: z.string() })).optional(),
      }),
    ),
    totalDependenciesCruised: z.number(),
  }),
})

export interface ImportReport {
  /** One text a violation, beginning with the name of the rule that it breaks. */
  readonly violations: readonly string[]
  /** Source files that the checker did not look at: it proves nothing about them. */
  readonly unseen: readonly string[]
  readonly fileCount: number
  readonly importCount: number
}

function sourceFiles(root: string): readonly string[] {
  return SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
      .map((path) => `${folder}/${path.split(sep).join('/')}`),
  )
}

/** Checks the tree at `root`, laid out as this repository is and with its own tsconfig.json. */
export async function checkImports(root: string): Promise<ImportReport> {
  const cli = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const config = join(ROOT, '.dependency-cruiser.mjs')
  const files = sourceFiles(root)
  const folders = SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder)))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [cli, '--config', config, '--output-type', 'json', ...folders],
    { cwd: root, maxBuffer: MAX_OUTPUT_BYTES, timeout: TIMEOUT_MS },
  )
  const { modules, summary } = CruiseResult.parse(JSON.parse(stdout))
  const seen = new Set(modules.map((module) => module.source))
  return {
    violations: summary.violations.map(({ rule, from, to, cycle, via }) => {
      const path = (cycle ?? via ?? [{ name: to }]).map((step) => step.name)
      return `${rule.name}: ${[from, ...path].join(' → ')}`
    }),
    unseen: files.filter((file) => !seen.has(file)),
    fileCount: files.length,
    importCount: summary.totalDependenciesCruised,
  }
}
