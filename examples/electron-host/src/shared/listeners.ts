/**
 * Functions that want to be told of something.
 *
 * Law: told in the order they came; one that throws does not keep the others from being told.
 */
export class Listeners<Args extends unknown[]> {
  private readonly all = new Set<{ listener: (...args: Args) => void }>()

  /** Returns what ends it. The same function can be added twice. */
  add(listener: (...args: Args) => void): () => void {
    const entry = { listener }
    this.all.add(entry)
    return () => void this.all.delete(entry)
  }

  tell(...args: Args): void {
    for (const { listener } of [...this.all]) {
      try {
        listener(...args)
      } catch (error) {
        queueMicrotask(() => { throw error })
      }
    }
  }
}
