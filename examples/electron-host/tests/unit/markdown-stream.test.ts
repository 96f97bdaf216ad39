import { marked, type Token, type Tokens } from 'marked'
import { describe, expect, test } from 'vitest'
import { MarkdownStream, parseMarkdown, type MarkdownBlocks } from '../../src/renderer/markdown/markdown-stream'
import { safeLink } from '../../src/renderer/markdown/safe-link'

const PAGE = [
  '# Title', '', 'A paragraph with **bold**,', 'two lines.', '', '1. one', '', '2. two', '   - inner', '', '   more of two', '3. three', '',
  '| a | b |', '|---|--:|', '| 1 | 2 |', '', '```python', 'def f():', '', '    return 1', '```', '', '> quote', '> goes on', '', 'Setext', '===', '',
  '- [x] done', '- [ ] open', '', '[ref]: https://example.com', 'See [ref].', '', '---', '', '    indented code', '', 'The end.'
].join('\n')

const all = ({ groups, open }: MarkdownBlocks): Token[] => [...groups.flat(), ...open].filter(({ type }) => type !== 'space' && type !== 'def')
const told = (token: Token): unknown => ({ type: token.type, raw: token.raw.trim() })

/** Numbers that look random, the same in every run. */
function* random(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 48_271) % 2_147_483_647
    yield state / 2_147_483_647
  }
}

function streamed(text: string, seed: number, longest: number): MarkdownBlocks {
  const stream = new MarkdownStream()
  const numbers = random(seed)
  for (let at = 0; at < text.length; ) {
    const end = at + 1 + Math.floor(numbers.next().value! * longest)
    stream.append(text.slice(at, end))
    stream.read(Infinity)
    at = end
  }
  return stream.read(Infinity, true)
}

describe('Markdown that grows', () => {
  test('is what it would be if it came at once, however it is cut', () => {
    const whole = marked.lexer(PAGE).filter(({ type }) => type !== 'space' && type !== 'def').map(told)
    expect(all(parseMarkdown(PAGE)).map(told)).toEqual(whole)
    for (let seed = 1; seed <= 60; seed += 1) expect(all(streamed(PAGE, seed, 1 + (seed % 12))).map(told)).toEqual(whole)
  })

  test.each([
    ['a paragraph without an end', 'Some words and more of them. ', 2_000],
    ['a paragraph without a space', 'x', 30_000],
    ['a list', '- an item with some words\n', 1_000],
    ['lines of words', 'a line of words\n', 2_000]
  ])('loses nothing of %s', (_what, piece, times) => {
    const text = piece.repeat(times)
    const raw = all(streamed(text, 7, 300)).map((token) => token.raw).join('')
    expect(raw.replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
  })

  test('long code is closed in parts, which are the same code together', () => {
    const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index}`)
    const parts = all(streamed(`\`\`\`js\n${lines.join('\n')}\n\`\`\`\n\nafter`, 3, 200))
    expect(parts.length).toBeGreaterThan(4)
    expect(parts.at(-1)?.type).toBe('paragraph')
    const code = parts.slice(0, -1) as Tokens.Code[]
    expect(code.every((part) => part.type === 'code' && part.lang === 'js')).toBe(true)
    expect(code.map((part) => part.text).join('\n').split('\n')).toEqual(lines)
  })

  test('what was handed out does not change afterwards', () => {
    const stream = new MarkdownStream()
    const seen: Array<[MarkdownBlocks, number]> = []
    for (let index = 0; index < 100; index += 1) {
      stream.append(`paragraph ${index}\n\n`)
      const blocks = stream.read(Infinity)
      seen.push([blocks, all(blocks).length])
    }
    for (const [blocks, length] of seen) expect(all(blocks)).toHaveLength(length)
  })

  test('a final block keeps its identity', () => {
    const stream = new MarkdownStream()
    stream.append('one\n\n'.repeat(40))
    const [first] = stream.read(Infinity).groups
    stream.append('two\n\n'.repeat(40))
    expect(stream.read(Infinity).groups[0]).toBe(first)
  })
})

test.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', '#/profiles', '/x', 'https://user:pass@host/', ''])(
  'a link to %s leads nowhere', (href) => expect(safeLink(href)).toBeNull()
)
