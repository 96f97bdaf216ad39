/** An empty conversation: what can be done here. */
import { hashOf } from '../route'
import { ChatIcon } from '../ui/icons'

type Example = readonly [title: string, text: string, hint?: string]

const DEMO_EXAMPLES: readonly Example[] = [
  ['See an answer stream', 'Introduce yourself, and then show me how Markdown, a list and a piece of code look here.'],
  ['Watch a model think', '[[demo: reasoning=120 echo]] ## Thought through\n\nThe demo provider can **reason** first; open “Thought” above to read it.', 'It reasons first; what it thought is folded above its answer.'],
  ['Let it call a tool', '[[demo: toolCall=weather{"city":"Oslo","unit":"celsius"}]] What is the weather in Oslo?', 'It asks for the weather in Oslo, and you say what the tool answers.'],
  ['See an error handled', '[[demo: rateLimit=3000]] Too fast?', 'It is refused for being too fast; how long to wait is said, and you can try again.']
]

const EXAMPLES: readonly Example[] = [
  ['Explain', 'Explain in a few sentences why the sky is blue, and the evening red.'],
  ['Compare', 'Compare SQLite and PostgreSQL in a table, with one sentence of advice.'],
  ['Write code', 'Write a function that groups a list by a key, in Python and in TypeScript.'],
  ['Plan', 'Plan a weekend in Oslo for somebody who likes architecture and the sea.']
]

/** `demo`: the demo provider is chosen; its messages can direct it. */
export function Welcome({ demo, onAsk }: { demo: boolean; onAsk: (text: string) => void }) {
  return (
    <div className="welcome">
      <div className="empty-icon"><ChatIcon /></div>
      <h2>What shall we talk about?</h2>
      {demo && <p className="muted">The demo provider needs no key and no network. <a href={hashOf('profiles')}>Create a profile</a> to talk to a real model.</p>}
      <div className="examples">
        {(demo ? DEMO_EXAMPLES : EXAMPLES).map(([title, text, hint]) => (
          <button type="button" key={title} className="example" onClick={() => onAsk(text)}>
            <strong>{title}</strong>
            <span className="muted">{hint ?? text}</span>
          </button>
        ))}
      </div>
    </div>
  )
}
