/** Judges the text of a configuration: what the parser refuses, and what the parts mean together. */
import { dirname, resolve } from 'node:path'
import { checkDeployment, pathOf } from '../../config/check-deployment.ts'
import type { SchemaFacts } from '../../config/check-residency.ts'
import { ConfigSource } from '../../config/config-source.ts'
import type { DeploymentSize } from '../../config/deployment-size.ts'
import type { Finding } from '../../config/findings.ts'
import { parseConfig, type Config } from '../../config/parse-config.ts'
import type { SurvivalRow } from '../../config/survival.ts'
import { MeridianError } from '../../core/errors.ts'
import { loadSchema } from '../../node/load-schema.ts'
import { schemaFacts } from '../../node/schema-facts.ts'

/** A finding as it is shown. */
export interface ShownFinding {
  readonly rule: string
  /** `file:line: path: what is wrong.` */
  readonly message: string
  readonly fix: string
  readonly path: string
}

/** What `meridian config check` says of a file. */
export interface FileReport {
  readonly file: string
  /** `null`: the file is not understood, and nothing else is known. */
  readonly size: DeploymentSize | null
  readonly parts: string
  readonly problems: readonly ShownFinding[]
  readonly warnings: readonly ShownFinding[]
  readonly survival: readonly SurvivalRow[]
}

/** The report; with the configuration, where it is understood. */
export async function checkFile(
  text: string,
  file: string,
): Promise<{ readonly config: Config | undefined; readonly report: FileReport }> {
  let config: Config
  try {
    config = parseConfig(text, file)
  } catch (error) {
    if (!(error instanceof MeridianError) || error.code !== 'CONFIG_INVALID') throw error
    const problems = [refusal(error)]
    const report = { file, size: null, parts: '', problems, warnings: [], survival: [] }
    return { config: undefined, report }
  }
  const source = new ConfigSource(text, file)
  const shown = (finding: Finding): ShownFinding => show(source, finding)
  const { schema, unread } = await schemaOf(config, file)
  const { size, parts, problems, warnings, survival } = checkDeployment(config, schema)
  const report = {
    file,
    size,
    parts,
    problems: problems.map(shown),
    warnings: [...warnings, ...unread].map(shown),
    survival,
  }
  return { config, report }
}

function refusal(error: MeridianError): ShownFinding {
  const { fix = '', details } = error
  const path = typeof details['path'] === 'string' ? details['path'] : ''
  return { rule: 'file-invalid', message: withoutFix(error), fix, path }
}

function show(source: ConfigSource, finding: Finding): ShownFinding {
  const error = source.invalid(finding.path, finding.problem, finding.fix)
  const { rule, fix } = finding
  return { rule, message: withoutFix(error), fix, path: pathOf(finding) }
}

/** The message of an error ends with its fix. */
function withoutFix({ message, fix }: MeridianError): string {
  return fix === undefined ? message : message.slice(0, -fix.length - 1)
}

/** The schema, as far as it can be loaded where the check runs. */
async function schemaOf(
  config: Config,
  file: string,
): Promise<{ readonly schema: SchemaFacts | undefined; readonly unread: readonly Finding[] }> {
  if (config.schema === null) return { schema: undefined, unread: [] }
  try {
    const schema = await loadSchema(resolve(dirname(file), config.schema), { once: true })
    return { schema: schemaFacts(schema), unread: [] }
  } catch (error) {
    const problem = `is not looked at: ${error instanceof MeridianError ? withoutFix(error).replace(/\.$/, '') : 'it fails'}`
    const fix = 'Check where the schema and its dependencies are.'
    return {
      schema: undefined,
      unread: [{ rule: 'schema-unread', path: ['schema'], problem, fix }],
    }
  }
}
