/** What listens on this machine. */
import type { Discovery } from '../../shared/protocol'
import { duration, plural } from '../ui/figures'

const OUTCOMES: Record<string, string> = { found: 'a server', closed: 'nobody', timeout: 'no answer', unknown: 'something else' }

export function DiscoveryResult({ found }: { found: Discovery }) {
  return (
    <section className="card" aria-label="Servers on this machine">
      <h2>{found.discovered ? `${plural(found.servers.length, 'server')} on this machine` : 'No server was found on this machine'}</h2>
      {found.profileCreated && <p>A profile was made for {found.discoveredUrl}.</p>}
      {!found.discovered && <p className="muted">Start Ollama, LM Studio, llama.cpp or vLLM, and look again.</p>}
      <ul className="plain">
        {found.servers.map((server) => (
          <li key={server.url}><strong>{server.kind}</strong> <span className="address">{server.url}</span> <span className="muted">{server.models.slice(0, 4).join(', ') || 'no models'}</span></li>
        ))}
      </ul>
      <p className="muted ports">
        {found.ports.map(({ port, outcome, latencyMs }) => (
          <span key={port} className="tag">{port}: {OUTCOMES[outcome] ?? outcome}{outcome === 'found' ? ` (${duration(latencyMs)})` : ''}</span>
        ))}
      </p>
    </section>
  )
}
