import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withProgress } from '../../../src/cli/progress.ts'
import { Terminal } from '../../../src/cli/terminal.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A terminal, or a log, and all that was written to its standard error. */
function watched(isTTY: boolean): { terminal: Terminal; text: () => string } {
  let text = ''
  const stderr = {
    isTTY,
    columns: 60,
    write(part: string): void {
      text += part
    },
  }
  return { terminal: new Terminal({ stdout: { write: () => true }, stderr }, {}), text: () => text }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

async function run(terminal: Terminal, durationMs: number, remark?: string): Promise<void> {
  const running = withProgress(terminal, 'Loading', 200, async (progress) => {
    progress.update(50, remark)
    await pause(durationMs)
  })
  await vi.advanceTimersByTimeAsync(durationMs)
  await running
}

test('a log hears nothing of what is quick, and a line every two seconds of what is not', async () => {
  const quick = watched(false)
  await run(quick.terminal, 1_900)
  expect(quick.text()).toBe('')

  const slow = watched(false)
  await run(slow.terminal, 4_500)
  const lines = slow.text().trimEnd().split('\n')
  expect(lines).toHaveLength(2)
  expect(lines[0]).toBe('  Loading  [#######.....................] 50 of 200  2 s')
})

test('a terminal shows one line that is redrawn, never wraps, and is gone at the end', async () => {
  const { terminal, text } = watched(true)
  await run(terminal, 350, 'with a remark that is far too long for the terminal')
  const draws = text().split('\r').slice(1)
  expect(draws.at(-1)).toBe('\u001B[K')
  for (const draw of draws) {
    expect(draw.replace('\u001B[K', '').length).toBeLessThan(60)
    expect(draw).not.toContain('\n')
  }
})

test('the display ends when the work fails', async () => {
  const { terminal, text } = watched(false)
  await expect(
    withProgress(terminal, 'Loading', undefined, async () => Promise.reject(new Error('no'))),
  ).rejects.toThrow('no')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(text()).toBe('')
})
