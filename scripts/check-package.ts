/**
 * `npm run check:package`: packs what would be published and looks at it as a user's tools do:
 * publint and "are the types wrong" on the archive, every entry and the command in Node, and a new
 * service (`meridian init`) whose tests pass.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { z } from 'zod'
import { ROOT, runCommand } from './lib/command.ts'
import { readEntries } from './lib/package-json.ts'

const TIMEOUT_MS = 180_000
const MUST_SHIP = [
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'bin/meridian.mjs',
  'benchmarks/thresholds.json',
  'benchmarks/topologies/triangle.yaml',
  'dist/benchmarks/workloads/schema.js',
  'templates/dev/index.html',
  'templates/service/gitignore',
]
const MUST_NOT_SHIP =
  /^(test|scripts|examples|temp|src|dist\/benchmarks\/micro)\/|^benchmarks\/.*\.ts$|^\./

const PackResult = z.array(
  z.object({
    filename: z.string(),
    size: z.number(),
    files: z.array(z.object({ path: z.string() })),
  }),
)

async function mustRun(commandLine: string): Promise<string> {
  const { ok, output } = await runCommand(commandLine, TIMEOUT_MS)
  if (!ok) throw new Error(`$ ${commandLine}\n${output}`)
  return output
}

function contentProblems(paths: readonly string[]): readonly string[] {
  return [
    ...MUST_SHIP.filter((path) => !paths.includes(path)).map((path) => `${path} is not packed`),
    ...paths.filter((path) => MUST_NOT_SHIP.test(path)).map((path) => `${path} is packed`),
  ]
}

async function publintProblems(archive: string): Promise<readonly string[]> {
  const packageJson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const bytes = readFileSync(archive)
  const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const { messages } = await publint({ strict: true, pack: { tarball } })
  return messages.map((message) => formatMessage(message, packageJson, { color: false }) ?? '')
}

/** Unpacks the archive where a user's project would have it, and loads it from there. */
async function loadAsUser(folder: string, archive: string): Promise<void> {
  const installed = join(folder, 'node_modules', 'meridian')
  mkdirSync(installed, { recursive: true })
  await mustRun(`tar -xzf ${archive} -C ${installed} --strip-components=1`)
  // A scope of its own: within this repository's, the name would mean the repository.
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n')
  const imports = readEntries().map(
    ({ name }) => `await import('${name === 'meridian' ? name : `meridian/${name}`}')`,
  )
  writeFileSync(join(folder, 'main.js'), `${imports.join('\n')}\n`)
  await mustRun(`node ${join(folder, 'main.js')}`)
  await mustRun(`node ${join(installed, 'bin', 'meridian.mjs')} --help`)
}

/** The first three commands of a user: a new service, its installation, its tests. */
async function scaffoldAsUser(folder: string, archive: string): Promise<void> {
  const command = join(folder, 'node_modules', 'meridian', 'bin', 'meridian.mjs')
  const service = join(folder, 'my-service')
  await mustRun(`node ${command} init ${service} --package file:${archive}`)
  await mustRun(`npm install --prefix ${service} --ignore-scripts --prefer-offline --no-audit`)
  await mustRun(`npm test --prefix ${service}`)
  await mustRun(`npm run check --prefix ${service}`)
  // Only the peers of benchmarks need what a user's project does not have.
  const installed = join(service, 'node_modules', 'meridian', 'bin', 'meridian.mjs')
  await mustRun(`node ${installed} bench --list`)
}

async function checkPackage(folder: string): Promise<readonly string[]> {
  const output = await mustRun(`npm pack --json --ignore-scripts --pack-destination ${folder}`)
  const [packed] = PackResult.parse(JSON.parse(output.slice(output.indexOf('['))))
  if (packed === undefined) return ['npm packed nothing']
  const archive = join(folder, packed.filename)
  const problems = [
    ...contentProblems(packed.files.map((file) => file.path)),
    ...(await publintProblems(archive)),
  ]
  const attw = `attw ${archive} --profile esm-only --no-definitely-typed --format ascii --no-emoji`
  await mustRun(attw)
  await loadAsUser(folder, archive)
  await scaffoldAsUser(folder, archive)
  console.log(`${packed.files.length} files, ${Math.round(packed.size / 1000)} kB packed.`)
  return problems
}

if (!existsSync(join(ROOT, 'dist'))) throw new Error('There is no dist/ to pack: npm run build')
mkdirSync(join(ROOT, 'temp'), { recursive: true })
const folder = mkdtempSync(join(ROOT, 'temp', 'package-'))
try {
  const problems = await checkPackage(folder)
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
