/**
 * Bytes in, lines out.
 *
 * Law: a line never grows beyond `maxBytes`; strict UTF-8; the work per chunk is proportional to its size. What breaks
 * either rule throws `LineError`, after which the stream cannot be trusted.
 */
export class LineError extends Error {}

const LF = 10

export class LineSplitter {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  private pieces: Uint8Array[] = []
  private held = 0

  constructor(public maxBytes: number) {}

  /** The lines that `chunk` completes, without their LF; blank ones are left out. */
  *push(chunk: Uint8Array): Generator<string> {
    let start = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.hold(chunk.subarray(start, end))
      start = end + 1
      const line = this.take()
      if (line.trim() !== '') yield line
    }
    if (start < chunk.length) this.hold(new Uint8Array(chunk.subarray(start))) // A copy: `slice` of a Buffer is none.
  }

  private hold(piece: Uint8Array): void {
    this.held += piece.length
    if (this.held > this.maxBytes) throw new LineError(`The sidecar sent a line of more than ${this.maxBytes} bytes.`)
    this.pieces.push(piece)
  }

  private take(): string {
    const bytes = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces)
    this.pieces = []
    this.held = 0
    try {
      return this.decoder.decode(bytes)
    } catch {
      throw new LineError('The sidecar sent a line that is not UTF-8.')
    }
  }
}
