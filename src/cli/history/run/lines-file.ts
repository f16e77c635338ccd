/** A file of lines that grows: whole lines reach it, soon after they were added. */
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

/** An open one. */
export interface LinesFile {
  /** Adds lines, each with its end. Fails later, at `flush` or `close`. */
  add(text: string): void
  /** Resolves once all that was added is in the file. */
  flush(): Promise<void>
  /** The same, synced to the disk; nothing is added afterwards. */
  close(): Promise<void>
}

const PERIOD_MS = 250

/** Opens a new file; one that is there is replaced. */
export async function openLinesFile(path: string): Promise<LinesFile> {
  await mkdir(dirname(path), { recursive: true })
  return new GrowingFile(await open(path, 'w'))
}

class GrowingFile implements LinesFile {
  readonly #file: FileHandle
  #waiting: string[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  constructor(file: FileHandle) {
    this.#file = file
  }

  add(text: string): void {
    this.#waiting.push(text)
    this.#timer ??= setTimeout(() => void this.#write(), PERIOD_MS)
  }

  async flush(): Promise<void> {
    await this.#write()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async close(): Promise<void> {
    try {
      await this.flush()
      await this.#file.sync()
    } finally {
      await this.#file.close()
    }
  }

  /** Never rejects. */
  #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#waiting.join('')
    this.#waiting = []
    if (text !== '') {
      this.#writing = this.#writing
        .then(async () => {
          await this.#file.appendFile(text)
        })
        .catch((error: unknown) => {
          this.#failure ??= { error }
        })
    }
    return this.#writing
  }
}
