/** Code, with a button that copies it. `continues`: the next block is more of the same code. */
import { useState } from 'react'
import { CheckIcon, CopyIcon } from '../ui/icons'

export function CodeBlock({ text, language, continues }: { text: string; language: string; continues: boolean }) {
  const name = language.split(/\s/)[0] ?? ''
  return (
    <figure className={continues ? 'code continues' : 'code'}>
      <figcaption>
        <span>{name === '' ? 'text' : name}</span>
        <CopyButton text={text} what="code" />
      </figcaption>
      <pre tabIndex={0} aria-label={name === '' ? 'Code' : `Code, ${name}`}><code>{text}</code></pre>
    </figure>
  )
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 1_500)
  }
  return (
    <button type="button" className="quiet small" onClick={() => void copy().catch(() => undefined)} aria-label={`Copy ${what}`}>
      {copied ? <CheckIcon /> : <CopyIcon />}
      <span>{copied ? 'Copied' : 'Copy'}</span>
    </button>
  )
}
