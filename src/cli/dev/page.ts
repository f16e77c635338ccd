/** The files of the page, as they lie in `templates/dev`. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HttpResponse } from '../../core/ports/http.ts'
import { packageRoot } from '../../node/package-root.ts'

const FILES: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/dev/style.css': { file: 'style.css', type: 'text/css; charset=utf-8' },
  '/dev/script.js': { file: 'script.js', type: 'text/javascript; charset=utf-8' },
}

/** Nothing but its own files; rows of users are shown there. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
  "frame-ancestors 'none'"

/** The answer to a request for one of the files; `undefined` for any other path. */
export async function pageFile(path: string): Promise<HttpResponse | undefined> {
  const found = Object.hasOwn(FILES, path) ? FILES[path] : undefined
  if (found === undefined) return undefined
  return {
    status: 200,
    headers: {
      'content-type': found.type,
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    },
    body: await readFile(join(packageRoot(), 'templates', 'dev', found.file)),
  }
}
