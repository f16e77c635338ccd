/** The image of a node without a Docker daemon: what it copies exists, and what it runs is in it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HEALTH_PATH } from '../../../src/core/wire-http.ts'

const ROOT = join(import.meta.dirname, '../../..')

interface Instruction {
  readonly name: string
  readonly rest: string
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const instructions: readonly Instruction[] = read('Dockerfile')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => ({
    name: line.slice(0, line.indexOf(' ')),
    rest: line.slice(line.indexOf(' ') + 1).trim(),
  }))

const stages = instructions.filter(({ name }) => name === 'FROM')
const lastStage = instructions.slice(instructions.lastIndexOf(stages.at(-1) as Instruction))
const named = (of: readonly Instruction[], name: string): readonly string[] =>
  of.filter((one) => one.name === name).map(({ rest }) => rest)

/** What a COPY of the build context takes. */
function sources(of: readonly Instruction[]): readonly string[] {
  return named(of, 'COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(/\s+/).slice(0, -1))
}

describe('Dockerfile', () => {
  it('has two stages, of a pinned version of Node that package.json allows', () => {
    expect(stages).toHaveLength(2)
    for (const { rest } of stages) expect(rest).toMatch(/^node:20\.(19|[2-9]\d)\.\d+-bookworm-slim/)
  })

  it('copies what exists, and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
    const all = sources(instructions)
    expect(all.length).toBeGreaterThan(8)
    for (const source of all) {
      const path = source.replace(/^\.\//, '')
      expect(existsSync(join(ROOT, path)), path).toBe(true)
      expect(allowed, path).toContain(`!${path}`)
    }
    expect(read('.dockerignore').split('\n')).toContain('*')
    expect(allowed.map((line) => line.slice(1)).toSorted()).toEqual(
      [...new Set(all.map((source) => source.replace(/^\.\//, '')))].toSorted(),
    )
  })

  it('builds from every folder that tsconfig.build.json names', () => {
    const { include } = JSON.parse(read('tsconfig.build.json')) as { include: readonly string[] }
    for (const folder of include) expect(sources(instructions)).toContain(folder)
  })

  it('ships what the package ships, and no development dependency', () => {
    const { files } = JSON.parse(read('package.json')) as { files: readonly string[] }
    const copies = named(lastStage, 'COPY').join('\n')
    for (const path of files.filter((file) => !/README|CHANGELOG/.test(file))) {
      expect(copies, path).toContain(path)
    }
    expect(named(instructions, 'RUN').join('\n')).toContain('npm prune --omit=dev')
    expect(copies).toContain('/build/node_modules')
  })

  it('runs the command of the package as a user that is not root', () => {
    const [entry = ''] = named(lastStage, 'ENTRYPOINT')
    const [program, script = ''] = JSON.parse(entry) as readonly string[]
    const { bin } = JSON.parse(read('package.json')) as { bin: { meridian: string } }
    expect(program).toBe('node')
    expect(script).toBe(join(named(lastStage, 'WORKDIR')[0] ?? '', bin.meridian))
    expect(named(lastStage, 'USER')).toEqual(['node'])
    expect(named(lastStage, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  it('asks the path of health that nodes answer, on the port that it exposes', () => {
    const [port] = named(lastStage, 'EXPOSE')
    const environment = named(lastStage, 'ENV').join('\n')
    expect(environment).toContain(`MERIDIAN_HEALTH_URL=http://127.0.0.1:${port}${HEALTH_PATH}`)
    expect(named(lastStage, 'HEALTHCHECK')[0]).toContain('process.env.MERIDIAN_HEALTH_URL')
  })
})
