import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runMeridian } from '../../support/run-command.ts'

describe('help', () => {
  test.each([[[]], [['help']], [['--help']], [['-h']]])('%j names every command', async (args) => {
    const { code, stdout, stderr } = await runMeridian(...args)
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: meridian <command>')
    expect(stdout).toMatch(/^ {2}demo /m)
    expect(stderr).toBe('')
  })

  test.each([[['demo', '--help']], [['help', 'demo']], [['--help', 'demo']]])(
    '%j names the options of the command and what scale 1 means',
    async (args) => {
      const { code, stdout } = await runMeridian(...args)
      expect(code).toBe(0)
      for (const option of ['--scale X', '--topology FILE', '--json FILE', '--report FILE']) {
        expect(stdout).toContain(option)
      }
      expect(stdout).toContain('Delays at --scale 1 are 40 ms')
    },
  )
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(await runMeridian('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

describe('a wrong command line ends with 2 and says what to do', () => {
  test.each([
    [
      ['demonstrate'],
      'There is no command `demonstrate`. There are: dev, init, node, cluster, status, strong, config, keygen, token, lock, store, demo, bench, history, help.',
    ],
    [['help', 'constructor'], 'There is no command `constructor`.'],
    [['--fast'], 'There is no option `--fast`. Run `meridian help`'],
    [['demo', '--fast'], "Unknown option '--fast'. Run `meridian demo --help`"],
    [['demo', 'now'], "Unexpected argument 'now'"],
    [['demo', '--scale'], "Option '--scale <value>' argument missing. Run"],
    [['demo', '--scale', 'much'], 'The option `--scale` is "much". Give it a number from 0 to 10.'],
    [['demo', '--rows', '5'], 'Give it a whole number of 1000 or more.'],
    [['demo', '--samples', '1.5'], 'Give it a whole number from 1 to 100000.'],
    [['demo', '--json', ''], 'The option `--json` is empty.'],
    [['demo', '--config', 'no/such.yaml'], 'CONFIG_INVALID: The file no/such.yaml cannot be read.'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await runMeridian(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
  })
})

test('the stack of an error is printed with --debug alone', async () => {
  expect((await runMeridian('demo', '--fast')).stderr).not.toContain('    at ')
  expect((await runMeridian('demo', '--fast', '--debug')).stderr).toContain('    at ')
})
