/**
 * `npm run check:api`: the public declarations are those recorded in docs/api/, one report an
 * entry, so that a change of the public face is seen in review. `-- --update` records them anew.
 */
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './lib/command.ts'
import { readEntries } from './lib/package-json.ts'

const REPORT_FOLDER = join(ROOT, 'docs', 'api')
const FRESH_FOLDER = join(ROOT, 'temp', 'api')

function configFor(name: string, path: string): ExtractorConfig {
  const silent = { logLevel: ExtractorLogLevel.None }
  return ExtractorConfig.prepare({
    configObject: {
      projectFolder: ROOT,
      mainEntryPointFilePath: join(ROOT, `${path}.d.ts`),
      compiler: { tsconfigFilePath: join(ROOT, 'tsconfig.build.json') },
      newlineKind: 'lf',
      apiReport: {
        enabled: true,
        // What an entry mentions without exporting it is public all the same.
        includeForgottenExports: true,
        reportFileName: `${name}.api.md`,
        reportFolder: REPORT_FOLDER,
        reportTempFolder: FRESH_FOLDER,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: { default: silent },
        tsdocMessageReporting: { default: silent },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(ROOT, 'package.json'),
  })
}

function readLines(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
}

/** Lines of `lines` that `others` has not, or has fewer times. */
function surplus(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = [...others]
  return lines.filter((line) => {
    const at = left.indexOf(line)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}

/** What the two reports do not share, as a reader wants to see it first. */
function difference(name: string): string {
  const recorded = readLines(join(REPORT_FOLDER, `${name}.api.md`))
  const built = readLines(join(FRESH_FOLDER, `${name}.api.md`))
  const gone = surplus(recorded, built).map((line) => `- ${line}`)
  const fresh = surplus(built, recorded).map((line) => `+ ${line}`)
  return [...gone, ...fresh].join('\n')
}

/** True if the entry's declarations are those on record, or were recorded just now. */
function checkEntry(name: string, path: string, update: boolean): boolean {
  const result = Extractor.invoke(configFor(name, path), {
    localBuild: update,
    messageCallback: (message) => {
      message.handled ||= message.logLevel !== ExtractorLogLevel.Error
    },
  })
  if (result.errorCount > 0) return false
  if (!result.apiReportChanged) return true
  if (update) console.log(`docs/api/${name}.api.md was renewed.`)
  else console.log(`docs/api/${name}.api.md is not what is built:\n${difference(name)}`)
  return update
}

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } })
mkdirSync(REPORT_FOLDER, { recursive: true })
const results = readEntries().map(({ name, path }) => checkEntry(name, path, values.update))
if (results.includes(false)) {
  console.error('If the change is meant: npm run build && npm run check:api -- --update')
  process.exitCode = 1
}
