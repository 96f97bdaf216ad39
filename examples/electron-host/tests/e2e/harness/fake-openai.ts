/** A server that speaks OpenAI's format and answers everything with the same text; it remembers the keys it saw. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const SENTENCE = 'Good day from the fake server.'

export interface FakeOpenAi {
  url: string
  authorizations: string[]
  /** Answer with this status from now on; 200 to be well again. */
  status: number
  /** What it says, what it thinks before, and milliseconds between its words. */
  answer: string
  reasoning: string
  pace: number
  close(): Promise<void>
}

export async function fakeOpenAi(): Promise<FakeOpenAi> {
  const server = createServer((request, response) => answer(fake, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const fake: FakeOpenAi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    authorizations: [],
    status: 200,
    answer: SENTENCE,
    reasoning: '',
    pace: 0,
    close: () => new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  }
  return fake
}

function answer(fake: FakeOpenAi, request: IncomingMessage, response: ServerResponse): void {
  fake.authorizations.push(request.headers.authorization ?? '')
  request.resume()
  if (fake.status !== 200) {
    response.writeHead(fake.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' } }))
  } else if (request.url?.endsWith('/models') === true) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ object: 'list', data: [{ id: 'fake-small', object: 'model' }, { id: 'fake-large', object: 'model' }] }))
  } else {
    request.on('end', () => void stream(fake, response))
  }
}

async function stream({ answer, reasoning, pace }: FakeOpenAi, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const chunk = (delta: object, finish: string | null, more: object = {}): void => {
    const choices = [{ index: 0, delta, finish_reason: finish }]
    response.write(`data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'fake-small', choices, ...more })}\n\n`)
  }
  chunk({ role: 'assistant', content: '' }, null)
  const thoughts = reasoning === '' ? [] : reasoning.split(/(?<= )/)
  const words = answer.split(/(?<=\s)/)
  for (const word of thoughts) chunk({ reasoning_content: word }, null)
  for (const word of words) {
    chunk({ content: word }, null)
    if (pace > 0) await new Promise((resolve) => setTimeout(resolve, pace))
  }
  const said = thoughts.length + words.length
  chunk({}, 'stop', { usage: { prompt_tokens: 9, completion_tokens: said, total_tokens: said + 9 } })
  response.end('data: [DONE]\n\n')
}
