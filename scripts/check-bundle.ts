/**
 * `npm run check:bundle`: the client's entries bundle for a browser, without Node modules, drivers
 * or engines, and stay small.
 */
import { build, type Metafile } from 'esbuild'
import { gzipSync } from 'node:zlib'
import { ROOT } from './lib/command.ts'

const ENTRIES = ['src/client/index.ts', 'src/client/http/index.ts']
const MAX_GZIP_BYTES = 60_000
const FORBIDDEN = [
  /^src\/(drivers|node|testing|cli)\//,
  /^(replication|cdc)\//,
  /(^|\/)node_modules\/(@libsql|libsql)\//,
]

function forbiddenInputs(metafile: Metafile): readonly string[] {
  return Object.keys(metafile.inputs).filter((path) => FORBIDDEN.some((rule) => rule.test(path)))
}

/** Everything that the bundle expects its host to have; a browser has no modules to offer. */
function externalImports(metafile: Metafile): readonly string[] {
  return Object.values(metafile.outputs).flatMap((output) =>
    output.imports.filter((imported) => imported.external === true).map(({ path }) => path),
  )
}

function largestInputs(metafile: Metafile): string {
  const sizes = new Map<string, number>()
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const owner = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'meridian'
      sizes.set(owner, (sizes.get(owner) ?? 0) + bytesInOutput)
    }
  }
  return [...sizes]
    .toSorted(([, a], [, b]) => b - a)
    .map(([owner, bytes]) => `${owner} ${(bytes / 1000).toFixed(1)}`)
    .join(', ')
}

/** Bundles an entry, says what it weighs, and gives what is wrong with it. */
async function checkEntry(entry: string): Promise<readonly string[]> {
  // For a browser, an import of a Node module is an error of the bundler already.
  const { metafile, outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    metafile: true,
    write: false,
    logLevel: 'error',
  })
  const code = outputFiles.map((file) => file.text).join('')
  const gzipBytes = gzipSync(code, { level: 9 }).length
  console.log(`${entry}: ${(gzipBytes / 1000).toFixed(1)} kB minified and gzipped.`)
  console.log(`Minified, kB: ${largestInputs(metafile)}`)
  return [
    ...forbiddenInputs(metafile).map((path) => `${path} is in the bundle of ${entry}`),
    ...externalImports(metafile).map((path) => `${entry} needs the module ${path}`),
    ...(gzipBytes > MAX_GZIP_BYTES
      ? [`${entry} has ${gzipBytes} bytes minified and gzipped; the limit is ${MAX_GZIP_BYTES}`]
      : []),
  ]
}

const problems = (await Promise.all(ENTRIES.map(checkEntry))).flat()
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
