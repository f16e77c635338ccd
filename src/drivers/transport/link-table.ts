/** Which regions reach each other, and what breaks when a link does. */

/** Something that a broken link ends. */
export interface Breakable {
  break(): void
}

export class LinkTable {
  readonly #broken = new Set<string>()
  readonly #users = new Map<string, Set<Breakable>>()

  reachable(a: string, b: string): boolean {
    return a === b || !this.#broken.has(linkKey(a, b))
  }

  /** Breaks the link and all that runs over it. */
  partition(a: string, b: string): void {
    const key = linkKey(a, b)
    this.#broken.add(key)
    this.#breakUsers(key)
  }

  heal(a: string, b: string): void {
    this.#broken.delete(linkKey(a, b))
  }

  healAll(): void {
    this.#broken.clear()
  }

  /** Notes that something runs over the link; the returned function takes the note back. */
  use(a: string, b: string, user: Breakable): () => void {
    const key = linkKey(a, b)
    let users = this.#users.get(key)
    if (users === undefined) {
      users = new Set()
      this.#users.set(key, users)
    }
    users.add(user)
    return () => users.delete(user)
  }

  #breakUsers(key: string): void {
    for (const user of [...(this.#users.get(key) ?? [])]) user.break()
  }
}

/** Links have no direction. */
function linkKey(a: string, b: string): string {
  return a < b ? `${a}\0${b}` : `${b}\0${a}`
}
