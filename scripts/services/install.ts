/** Installs what engines need, where this may be done: as root on Debian. No service is started. */
import { execFile } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import {
  debianPackage,
  findProgram,
  programVariable,
  type ProgramName,
} from '../../src/cluster/engines/find-program.ts'

const TIMEOUT_MS = 600_000
/** Asked before a package starts its service; 101 forbids it. */
const POLICY_FILE = '/usr/sbin/policy-rc.d'
const POLICY = '#!/bin/sh\nexit 101\n'
const PROGRAM = 0o755

/** The programs of these that are not here, each with why. */
export async function missingPrograms(
  names: readonly ProgramName[],
): Promise<ReadonlyMap<ProgramName, Error>> {
  const missing = new Map<ProgramName, Error>()
  for (const name of names) {
    // The jars are there already, or named: nothing is left to fetch.
    if (name === 'maven' && process.env['MERIDIAN_KAFKA_JARS'] !== undefined) continue
    await findProgram(name).catch((error: unknown) => missing.set(name, error as Error))
  }
  return missing
}

/** Whether these can be installed here; what the environment names is not replaced. */
export function canInstall(names: readonly ProgramName[]): boolean {
  const isNamed = names.some((name) => process.env[programVariable(name)] !== undefined)
  return !isNamed && process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

/** Installs the packages of programs. @throws Error with what the package manager said */
export async function installPrograms(
  names: readonly ProgramName[],
  say: (line: string) => void,
): Promise<void> {
  const packages = names.map(debianPackage)
  say(`Installing ${packages.join(', ')}, once…`)
  const hadPolicy = existsSync(POLICY_FILE)
  if (!hadPolicy) writeFileSync(POLICY_FILE, POLICY, { mode: PROGRAM })
  try {
    const args = ['install', '-y', '--no-install-recommends', ...packages]
    await apt(args).catch(async () => {
      // The lists of packages may be missing or old.
      await apt(['update'])
      await apt(args)
    })
  } finally {
    if (!hadPolicy) rmSync(POLICY_FILE, { force: true })
  }
}

function apt(args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return new Promise((resolve, reject) => {
    execFile('apt-get', [...args], { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`apt-get ${args[0]} failed: ${`${stdout}${stderr}`.trim()}`))
    })
  })
}
