// The loop a user would write with the official Node SDK, inside their own process. Twin of `openai_loop.py`.

import readline from 'node:readline'
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'benchmark', maxRetries: 0 })
const messages = [{ role: 'user', content: 'Hello' }]
const now = () => Number(process.hrtime.bigint())

async function readAnswer(model) {
  const seen = []
  const stream = await client.chat.completions.create({
    model, messages, stream: true, stream_options: { include_usage: true },
  })
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content
    if (text) seen.push([now(), text])
  }
  return seen
}

async function stream({ model, streams }) {
  const started = now()
  const answers = await Promise.all(Array.from({ length: streams }, () => readAnswer(model)))
  const ended = now()
  const seen = answers.flat()
  const stamps = seen.filter(([, text]) => text[0] === '@').map(([at, text]) => [Number(text.slice(1)), at])
  return { started, first: Math.min(...answers.map((answer) => answer[0][0])), ended, tokens: seen.length, stamps }
}

async function cancel(models) {
  const cancelled = {}
  for (const model of models) {
    const answer = await client.chat.completions.create({ model, messages, stream: true })
    for await (const chunk of answer) {
      if (!chunk.choices[0]?.delta.content) continue
      cancelled[model] = now()
      answer.controller.abort()
      break
    }
  }
  return { cancelled }
}

const reply = (result) => process.stdout.write(JSON.stringify(result) + '\n')

reply({})
for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  reply(command.cancel ? await cancel(command.cancel) : await stream(command))
}
