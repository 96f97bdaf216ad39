/** The page's beginning. */
import '@fontsource-variable/inter/wght.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/chat.css'
import './styles/markdown.css'
import './styles/pages.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { Conversations } from './chat/conversations'
import { Inferences } from './llm/inferences'
import { ErrorBoundary } from './ui/error-boundary'

const inferences = new Inferences(window.llm)
const conversations = new Conversations(window.llm, inferences)

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <ErrorBoundary>
      <App inferences={inferences} conversations={conversations} />
    </ErrorBoundary>
  </StrictMode>
)
