/** Folders of what is built. */
export const SOURCE_FOLDERS: readonly string[]

/** The file that the source `path`, from `root`, is built to. */
export function builtFile(root: string, path: string): string

/** True while the build is newer than every source. */
export function hasFreshBuild(root: string): boolean
