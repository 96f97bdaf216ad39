#!/usr/bin/env node
/**
 * A minimal host in Node, without any dependency: asks a sidecar one thing and streams the answer into the terminal.
 *
 *   node host.mjs Why is the sky blue?
 *
 * LLM_SIDECAR   the command of the sidecar     LLM_PROVIDER, LLM_MODEL   who answers (default: the demo provider)
 * Ends with 0 done, 1 the answer failed, 2 it could not begin, 3 the sidecar ended or spoke otherwise, 130 cancelled.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const PROTOCOL_VERSION = 1
const { LLM_SIDECAR = 'llm-sidecar serve --in-memory --log-level warning', LLM_PROVIDER = 'demo', LLM_MODEL } = process.env
const prompt = process.argv.slice(2).join(' ')
if (!prompt) {
  console.error('host: what should be asked? node host.mjs PROMPT')
  process.exit(2)
}

// `detached` gives the sidecar a process group of its own: Ctrl-C is for this host, which cancels and then says goodbye.
// Without this host it does not stay: its stdin ends, and it watches `processId`.
const [program, ...options] = LLM_SIDECAR.trim().split(/\s+/)
const sidecar = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'], detached: process.platform !== 'win32' })
sidecar.on('error', (error) => {
  console.error(`host: cannot start ${program} (${error.code}): set LLM_SIDECAR, or install llm-sidecar`)
  process.exit(2)
})
sidecar.stdin.on('error', () => {}) // a sidecar that is gone: its exit code is told below

const send = (message) => sidecar.stdin.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')
const printable = (text) => text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '')

let outcome // the exit code of this host, once the answer is over
function finish(code, message) {
  if (outcome !== undefined) return
  outcome = code
  if (message) console.error(`host: ${message}`)
  sidecar.stdin.end()
}

let isAsked = false
let isCancelled = false
process.once('SIGINT', () => {
  // A second one ends the host, as it is caught no more.
  isCancelled = true
  if (isAsked) send({ id: 2, method: 'llm:cancel', params: { inferenceId: 'answer' } })
})

let next = 0
const events = {
  'llm:token': ({ token }) => process.stdout.write(printable(token)),
  'llm:done': ({ cancelled, usage }) => {
    process.stdout.write('\n')
    if (cancelled) finish(130, `cancelled after ${usage.completionTokens} tokens`)
    else finish(0)
  },
  'llm:error': ({ code, error }) => finish(1, printable(`${code}: ${error}`)),
}

function take({ id, method, params, result, error }) {
  if (method && params?.inferenceId === 'answer') {
    if (params.seq !== next) return finish(3, `event ${params.seq} came, not ${next}`)
    next += 1
    return events[method]?.(params)
  }
  if (error) return finish(1, printable(`${error.data?.code}: ${error.message}`))
  if (id !== 0) return
  if (result.protocolVersion !== PROTOCOL_VERSION)
    return finish(3, `the sidecar speaks version ${result.protocolVersion}`)
  if (isCancelled) return finish(130)
  const messages = [{ role: 'user', content: prompt }]
  const who = { providerId: LLM_PROVIDER, ...(LLM_MODEL ? { modelId: LLM_MODEL } : {}) }
  send({ id: 1, method: 'llm:inference', params: { inferenceId: 'answer', ...who, messages } })
  isAsked = true
}

createInterface({ input: sidecar.stdout, crlfDelay: Infinity }).on('line', (line) => {
  if (outcome !== undefined) return
  try {
    take(JSON.parse(line))
  } catch (error) {
    finish(3, `the sidecar sent what is no message (${error.message})`)
  }
})

sidecar.on('close', (code, signal) => {
  finish(3, `the sidecar ended before the answer did, with ${signal ?? `exit code ${code}`}`)
  process.exitCode = outcome
})

send({
  id: 0,
  method: 'initialize',
  params: { protocolVersion: PROTOCOL_VERSION, processId: process.pid, client: { name: 'node host' } },
})
