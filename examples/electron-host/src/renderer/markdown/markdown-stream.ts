/**
 * Markdown that grows: each block is parsed until it can no longer change, and then never again.
 *
 * Law: the last two blocks are open, everything before is final; the work for a piece of text does not depend on how
 * much came before it. A block longer than `LONG` is closed in parts (lines of code, items of a list, sentences), so
 * that this holds for an answer without blank lines, too. A link's definition that comes after its use in a final block
 * is not seen.
 */
import { Lexer, type Token, type Tokens } from 'marked'

/** Groups of final blocks keep their identity; `open` is new each time. */
export interface MarkdownBlocks {
  readonly groups: ReadonlyArray<readonly Token[]>
  readonly open: readonly Token[]
}

export const NOTHING: MarkdownBlocks = { groups: [], open: [] }

const GROUP = 16
const LONG = 4_000
/** Characters that are parsed at once; more come in the next step. */
const STEP = 8_000
const FENCE = /^ {0,3}(`{3,}|~{3,})[^\n]*\n/

/** The whole of a text that does not change any more. */
export function parseMarkdown(text: string): MarkdownBlocks {
  const stream = new MarkdownStream()
  stream.append(text)
  return stream.read(Infinity, true)
}

export class MarkdownStream {
  /** Came, and was not looked at yet. */
  private unread: string[] = []
  /** Looked at, and can still change. */
  private tail = ''
  private groups: Token[][] = []
  private last: Token[] = []
  private open: Token[] = []
  private links: Record<string, Pick<Tokens.Link | Tokens.Image, 'href' | 'title'>> = {}

  append(text: string): void {
    if (text !== '') this.unread.push(text)
  }

  /** There is text that `read` had no time for. */
  get behind(): boolean {
    return this.unread.length > 0
  }

  /** Parse for about `budgetMs`. `ended`: no more text will come. */
  read(budgetMs: number, ended = false): MarkdownBlocks {
    const until = performance.now() + budgetMs
    while (this.unread.length > 0) {
      this.tail += this.nextPiece()
      this.step()
      if (performance.now() > until) break
    }
    if (ended && !this.behind && this.open.length > 0) this.close(this.open, '')
    return { groups: this.last.length > 0 ? [...this.groups, this.last] : this.groups, open: this.open }
  }

  private nextPiece(): string {
    const text = this.unread.join('')
    this.unread = text.length > STEP ? [text.slice(STEP)] : []
    return text.slice(0, STEP).replaceAll('\r', '')
  }

  private step(): void {
    for (;;) {
      const tokens = this.lex(this.tail)
      const solid = tokens.flatMap((token, index) => (token.type === 'space' ? [] : [index]))
      const firstOpen = solid.at(-2) ?? solid[0] ?? 0
      const done = tokens.slice(0, firstOpen)
      const length = done.reduce((sum, token) => sum + token.raw.length, 0)
      this.close(done, this.tail.slice(length))
      this.open = tokens.slice(firstOpen)
      if (this.tail.length <= LONG || !this.split()) return
    }
  }

  /** Close a part of the only open block, where it is long. */
  private split(): boolean {
    const block = this.open.find((token) => token.type !== 'space')
    if (block === undefined || block.raw.length <= LONG) return false
    if (block.type === 'code') return this.splitCode(block as Tokens.Code)
    if (block.type === 'list') return this.splitList(block as Tokens.List)
    return block.type === 'paragraph' ? this.splitParagraph(block.raw) : false
  }

  private splitCode(code: Tokens.Code): boolean {
    const fence = FENCE.exec(this.tail)?.[0]
    const end = this.tail.lastIndexOf('\n', code.raw.length - 200) + 1
    if (fence === undefined || end - fence.length < LONG / 2) return false
    const part = { ...code, raw: this.tail.slice(0, end), text: this.tail.slice(fence.length, end - 1), continues: true }
    this.close([part], fence + this.tail.slice(end))
    return true
  }

  private splitList(list: Tokens.List): boolean {
    const items = list.items.slice(0, -1)
    const length = items.reduce((sum, item) => sum + item.raw.length, 0)
    if (items.length === 0 || this.lex(this.tail.slice(length))[0]?.type !== 'list') return false
    this.close([{ ...list, items, raw: this.tail.slice(0, length) }], this.tail.slice(length))
    return true
  }

  private splitParagraph(raw: string): boolean {
    const head = raw.slice(0, LONG)
    const ends = [head.lastIndexOf('\n') + 1, head.lastIndexOf('. ') + 2, head.lastIndexOf(' ') + 1]
    const end = ends.find((place) => place > LONG / 2) ?? LONG
    this.close(this.lex(head.slice(0, end)), this.tail.slice(end))
    return true
  }

  private lex(text: string): Token[] {
    const lexer = new Lexer({ gfm: true })
    lexer.tokens.links = this.links
    const tokens = lexer.lex(text)
    this.links = tokens.links
    return [...tokens]
  }

  private close(tokens: Token[], tail: string): void {
    for (const token of tokens) {
      if (token.type === 'space' || token.type === 'def') continue
      this.last = [...this.last, token] // What was handed out does not change.
      if (this.last.length === GROUP) {
        this.groups = [...this.groups, this.last]
        this.last = []
      }
    }
    this.tail = tail
    this.open = []
  }
}
