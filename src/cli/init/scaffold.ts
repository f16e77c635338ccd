/** Copies `templates/service` and fills in its `{{…}}`. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { packageRoot } from '../../node/package-root.ts'

/** What stands for each `{{name}}` of the template. */
export type Fillings = Readonly<Record<'name' | 'meridian', string>>

/** npm leaves a `.gitignore` out of a package. */
const SHIPPED_AS: Readonly<Record<string, string>> = { gitignore: '.gitignore' }

/**
 * Writes the files of a new service, none of them over one that is there.
 *
 * @returns their paths in the folder, sorted
 * @throws MeridianError `INVALID_ARGUMENT` when a file is there already, or cannot be written;
 * nothing was written in the first case
 */
export async function writeScaffold(
  folder: string,
  fillings: Fillings,
): Promise<readonly string[]> {
  const template = join(packageRoot(), 'templates', 'service')
  const entries = await readdir(template, { recursive: true, withFileTypes: true })
  const sources = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(template.length + 1))
    .toSorted()
  const targets = sources.map((source) => SHIPPED_AS[source] ?? source.split(sep).join('/'))
  const taken = targets.find((target) => existsSync(join(folder, target)))
  if (taken !== undefined) {
    throw new MeridianError('INVALID_ARGUMENT', `${taken} is there already, in ${folder}.`, {
      fix: 'Name a folder that does not hold a service yet.',
    })
  }
  try {
    for (const [i, source] of sources.entries()) {
      const target = join(folder, targets[i] ?? source)
      await mkdir(dirname(target), { recursive: true })
      const text = await readFile(join(template, source), 'utf8')
      await writeFile(target, fill(text, fillings), { flag: 'wx' })
    }
  } catch (error) {
    throw new MeridianError('INVALID_ARGUMENT', `The folder ${folder} cannot be written.`, {
      fix: 'Check that it is a folder, and yours.',
      cause: error,
    })
  }
  return targets.toSorted()
}

function fill(text: string, fillings: Fillings): string {
  return text.replaceAll('{{name}}', fillings.name).replaceAll('{{meridian}}', fillings.meridian)
}
