/** A server that speaks OpenAI's format and answers everything with the same sentence; it remembers the keys it saw. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const SENTENCE = 'Good day from the fake server.'

export interface FakeOpenAi {
  url: string
  authorizations: string[]
  /** Answer with this status from now on; 200 to be well again. */
  status: number
  close(): Promise<void>
}

export async function fakeOpenAi(): Promise<FakeOpenAi> {
  const server = createServer((request, response) => answer(fake, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const fake: FakeOpenAi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    authorizations: [],
    status: 200,
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
    request.on('end', () => stream(response))
  }
}

function stream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const chunk = (delta: object, finish: string | null, more: object = {}): void => {
    const choices = [{ index: 0, delta, finish_reason: finish }]
    response.write(`data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'fake-small', choices, ...more })}\n\n`)
  }
  chunk({ role: 'assistant', content: '' }, null)
  for (const word of SENTENCE.split(/(?<= )/)) chunk({ content: word }, null)
  chunk({}, 'stop', { usage: { prompt_tokens: 9, completion_tokens: 6, total_tokens: 15 } })
  response.end('data: [DONE]\n\n')
}
