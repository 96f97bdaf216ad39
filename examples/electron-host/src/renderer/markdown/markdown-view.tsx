/**
 * Markdown blocks as elements.
 *
 * Law: React elements only, never markup: what a model writes as HTML is shown as it was written. What is final is not
 * rendered again.
 */
import { memo } from 'react'
import type { Token } from 'marked'
import { Block } from './block'
import type { MarkdownBlocks } from './markdown-stream'

export function MarkdownView({ blocks }: { blocks: MarkdownBlocks }) {
  return (
    <div className="markdown">
      {blocks.groups.map((group, index) => (
        <Group key={index} blocks={group} />
      ))}
      <Group blocks={blocks.open} open />
    </div>
  )
}

const Group = memo(function Group({ blocks, open = false }: { blocks: readonly Token[]; open?: boolean }) {
  return (
    <div className={open ? 'blocks open' : 'blocks'}>
      {blocks.map((block, index) => (
        <Block key={index} token={block} />
      ))}
    </div>
  )
})
