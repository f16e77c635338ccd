/** What a promise failed with; it must have failed. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await work
  } catch (error) {
    return error
  }
  throw new Error(`expected a failure, got ${String(value)}`)
}

/** Resolves once the condition holds; the test's own time-out is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1)
    })
  }
}
