/** `npm run check:deps`: no import goes against the arrow, and every source file was looked at. */
import { ROOT } from './lib/command.ts'
import { checkImports } from './lib/imports.ts'

const { violations, unseen, fileCount, importCount } = await checkImports(ROOT)
for (const violation of violations) console.error(violation)
for (const file of unseen) console.error(`not-checked: ${file}`)
console.log(`${fileCount} files, ${importCount} imports, ${violations.length} against the arrow.`)
// A checker that reads nothing finds nothing: files without imports between them are not this tree.
if (violations.length > 0 || unseen.length > 0 || importCount < fileCount) process.exitCode = 1
