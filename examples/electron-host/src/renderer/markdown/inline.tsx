/** Text inside a block. Law: a link goes to the web or to mail and opens outside; a picture is a link, never loaded. */
import type { ReactNode } from 'react'
import type { Token, Tokens } from 'marked'
import { decodeEntities } from './entities'
import { safeLink } from './safe-link'

const BREAK = /^<br\s*\/?>$/i

export function Inline({ tokens }: { tokens: Token[] | undefined }) {
  return <>{tokens?.map((token, index) => <Span key={index} token={token} />)}</>
}

function Span({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case 'text':
      return token.tokens === undefined ? decodeEntities((token as Tokens.Text).text) : <Inline tokens={token.tokens} />
    case 'escape':
      return (token as Tokens.Escape).text
    case 'strong':
      return <strong><Inline tokens={token.tokens} /></strong>
    case 'em':
      return <em><Inline tokens={token.tokens} /></em>
    case 'del':
      return <del><Inline tokens={token.tokens} /></del>
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>
    case 'br':
      return <br />
    case 'link': {
      const { href, title } = token as Tokens.Link
      return <Link href={href} title={title}><Inline tokens={token.tokens} /></Link>
    }
    case 'image': {
      const { href, title, text } = token as Tokens.Image
      return <Link href={href} title={title}>{decodeEntities(text) || 'picture'}</Link>
    }
    default:
      return BREAK.test(token.raw) ? <br /> : token.raw
  }
}

function Link({ href, title, children }: { href: string; title?: string | null | undefined; children: ReactNode }) {
  const target = safeLink(href)
  if (target === null) return <>{children}</>
  return <a href={target} title={title ?? target} target="_blank" rel="noopener noreferrer nofollow">{children}</a>
}
