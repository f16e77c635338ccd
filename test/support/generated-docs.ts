/** The parts of documents that are derived from the program, between marks that name them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lossText } from '../../src/cli/config/print-report.ts'
import { checkDeployment } from '../../src/config/check-deployment.ts'
import { listOptions, type OptionLine } from '../../src/config/describe-options.ts'
import { parseConfig } from '../../src/config/parse-config.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Documents with generated parts. */
export const GENERATED_IN: readonly string[] = ['docs/configuration.md', 'docs/deployment.md']

/** The document with its generated parts as they must be. */
export function regenerate(text: string): string {
  return text.replaceAll(
    /(<!-- generated: (.*?) -->\n)[^]*?(<!-- end -->)/g,
    (_all, begin: string, what: string, end: string) => `${begin}${generate(what)}\n${end}`,
  )
}

function generate(what: string): string {
  if (what === 'options') return optionTable(listOptions())
  const file = /^survival of (\S+)$/.exec(what)?.[1]
  if (file !== undefined) return survivalTable(file)
  throw new Error(`Nobody knows how to generate ${what}.`)
}

/** Every secret is a reference: said once in the document, not at every one. */
const SECRET_RULE = / Secrets are references: .*$/

function optionTable(options: readonly OptionLine[]): string {
  const lines = options.map(({ path, type, fallback, isRequired, description }) => {
    const value = isRequired ? 'needed' : fallback === null ? '' : `\`${fallback}\``
    return `| \`${path}\` | ${type} | ${value} | ${description.replace(SECRET_RULE, '')} |`
  })
  return ['| Option | Type | Default | What it means |', '|---|---|---|---|', ...lines].join('\n')
}

function survivalTable(file: string): string {
  const config = parseConfig(readFileSync(join(ROOT, file), 'utf8'), file)
  const { survival } = checkDeployment(config)
  const rows = survival.map((row) =>
    [lossText(row, survival), row.strong, row.pinned, row.eventual, row.reads, row.writes, row.why]
      .map((cell) => ` ${cell} `)
      .join('|'),
  )
  return [
    '| Loss of | Strong | Pinned | Eventual | Reads | Writes | Why |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => `|${row}|`),
  ].join('\n')
}
