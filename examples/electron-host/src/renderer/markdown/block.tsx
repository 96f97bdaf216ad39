/** One block of Markdown, by its kind. Law: every kind that the parser knows has its element; others show their source. */
import { memo, type ReactNode } from 'react'
import type { Token, Tokens } from 'marked'
import { CodeBlock } from './code-block'
import { decodeEntities } from './entities'
import { Inline } from './inline'

export const Block = memo(function Block({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'heading':
      return <Heading token={token as Tokens.Heading} />
    case 'paragraph':
      return <p><Inline tokens={token.tokens} /></p>
    case 'text':
      return token.tokens === undefined ? decodeEntities((token as Tokens.Text).text) : <Inline tokens={token.tokens} />
    case 'code': {
      const { text, lang } = token as Tokens.Code
      return <CodeBlock text={text} language={lang ?? ''} continues={'continues' in token} />
    }
    case 'blockquote':
      return <blockquote><Blocks tokens={token.tokens} /></blockquote>
    case 'list':
      return <List list={token as Tokens.List} />
    case 'table':
      return <Table table={token as Tokens.Table} />
    case 'hr':
      return <hr />
    case 'html':
      return <p className="source">{token.raw.trimEnd()}</p>
    default:
      return <p className="source">{token.raw}</p>
  }
})

function Blocks({ tokens }: { tokens: Token[] | undefined }) {
  return <>{tokens?.map((token, index) => <Block key={index} token={token} />)}</>
}

/** A chat's own headings are h1 and h2: those of an answer begin below. */
function Heading({ token }: { token: Tokens.Heading }) {
  const Tag = `h${Math.min(token.depth + 2, 6)}` as 'h3'
  return <Tag className={`h${token.depth}`}><Inline tokens={token.tokens} /></Tag>
}

function List({ list }: { list: Tokens.List }) {
  const items = list.items.map((item, index) => (
    <li key={index} className={item.task ? 'task' : undefined}>
      {item.task && <input type="checkbox" checked={item.checked === true} readOnly disabled aria-label={item.checked === true ? 'done' : 'to do'} />}
      <Blocks tokens={item.tokens.filter((token) => token.type !== 'checkbox')} />
    </li>
  ))
  return list.ordered ? <ol start={list.start === '' ? 1 : list.start}>{items}</ol> : <ul>{items}</ul>
}

function Table({ table }: { table: Tokens.Table }) {
  const side = (index: number): string | undefined => table.align[index] ?? undefined
  return (
    <div className="table-frame" role="region" aria-label="Table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              <th key={index} scope="col" data-align={side(index)}><Inline tokens={cell.tokens} /></th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, index) => (
                <td key={index} data-align={side(index)}><Inline tokens={cell.tokens} /></td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
