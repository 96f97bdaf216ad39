/** What a model thought before it spoke: folded, with its first line in sight while it goes on. */
export function Reasoning({ text, going }: { text: string; going: boolean }) {
  return (
    <details className="reasoning">
      <summary>
        <span className={going ? 'pulse' : undefined}>{going ? 'Thinking' : 'Thought'}</span>
        <span className="muted reasoning-peek">{going ? text.slice(-160).replace(/\s+/g, ' ') : `${text.trim().split(/\s+/).length} words`}</span>
      </summary>
      <div className="reasoning-text">{text}</div>
    </details>
  )
}
