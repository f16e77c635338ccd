/** Packages that a user of Meridian need not have: peers load them when they are measured. */
import { MeridianError } from '../../src/core/errors.ts'

/**
 * What `load` imports.
 *
 * @throws MeridianError `CONFIG_INVALID` where the package is not installed
 */
export async function loadPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error, name)) throw error
    throw new MeridianError('CONFIG_INVALID', `The package ${name} is not installed.`, {
      fix: `Install it to measure this peer: npm install ${name}`,
      details: { package: name },
      cause: error,
    })
  }
}

/** Not what the package itself may fail to find. */
function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${name}'`)
}
