/** A process that has closed what it opened comes to its end, without a promise left alone. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('ends by itself, with nothing open and no rejection unhandled', async () => {
  const program = fileURLToPath(new URL('../programs/end-of-process.ts', import.meta.url))
  const flags = ['--unhandled-rejections=strict', '--trace-warnings', '--import', 'tsx']
  const child = spawn(process.execPath, [...flags, program], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000)
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  clearTimeout(timer)
  expect(errors).toBe('')
  expect(code).toBe(0)
  expect(out).toBe('closed\n')
})
