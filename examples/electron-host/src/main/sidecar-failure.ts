/**
 * Why a sidecar is not there, in words for its user.
 *
 * Law: a failure names what happened and what to do; `final` ones would only happen again, so nothing is retried.
 */
import type { SidecarFailure } from '../shared/api'
import type { IpcError } from '../shared/ipc-result'

export interface Failure extends SidecarFailure {
  final: boolean
}

/** How a process ended. */
export interface RunEnd {
  exitCode: number | null
  signal: NodeJS.Signals | null
  /** Why it could not be started at all. */
  spawnError: Error | null
  lastLines: readonly string[]
}

const INSTALL = 'Install it (pip install llm-sidecar), or name it in LLM_SIDECAR_COMMAND, and try again.'
/** Of a traceback, say; the sidecar's own entries are for the log. */
const LINES_TOLD = 8
const AGAIN = 'Try again. If it goes on, the last lines of the log say why.'

export const missing = (message: string): Failure =>
  ({ code: 'SIDECAR_MISSING', message, advice: INSTALL, final: true })

export const otherVersion = (theirs: unknown, ours: number): Failure => ({
  code: 'SIDECAR_VERSION',
  message: `The sidecar speaks version ${String(theirs)} of the protocol; this app speaks ${ours}.`,
  advice: Number(theirs) < ours ? 'Update llm-sidecar, and try again.' : 'Update this app.',
  final: true
})

export const slow = (withinMs: number): Failure => ({
  code: 'SIDECAR_SLOW',
  message: `The sidecar did not say hello within ${Math.round(withinMs / 1000)} seconds.`,
  advice: 'The computer may be busy, or a virus scanner may be reading the program. Try again.',
  final: false
})

export const unresponsive = (withinMs: number): Failure => ({
  code: 'SIDECAR_UNRESPONSIVE',
  message: `The sidecar did not answer within ${Math.round(withinMs / 1000)} seconds and was ended.`,
  advice: AGAIN,
  final: false
})

export const broken = (reason: string): Failure =>
  ({ code: 'SIDECAR_EXITED', message: reason, advice: AGAIN, final: false })

/** The handshake was answered with an error. */
export function refused(error: IpcError): Failure {
  if (error.code === 'DATA_DIR_LOCKED') return locked(error.message)
  return { code: 'SIDECAR_REFUSED', message: error.message, advice: AGAIN, final: true }
}

/** More ends than can be chance; `last` says how it ended each time. */
export function crashLoop(last: Failure): Failure {
  if (last.code !== 'SIDECAR_EXITED') return { ...last, final: true }
  const message = `It was started several times within a minute. The last time: ${last.message}`
  return { ...last, code: 'SIDECAR_CRASH_LOOP', message, advice: AGAIN, final: true }
}

/** Exit codes are those of the sidecar's README. */
export function ended(end: RunEnd): Failure {
  const lastLine = end.lastLines.at(-1) ?? ''
  if (end.spawnError !== null) {
    const code = (end.spawnError as NodeJS.ErrnoException).code ?? 'unknown error'
    return missing(`The sidecar could not be started (${code}).`)
  }
  if (end.lastLines.some((line) => line.includes('No module named llm_sidecar'))) {
    return missing('The Python that was found has no llm-sidecar.')
  }
  if (end.exitCode === 5) return locked('Another sidecar uses the data folder.')
  if (end.exitCode === 2) {
    const message = `The sidecar does not understand its settings: ${lastLine}`
    return { code: 'SIDECAR_REFUSED', message, advice: 'Correct config.toml in the data folder, and try again.', final: true }
  }
  const how = end.signal === null ? `exit code ${end.exitCode}` : end.signal
  const failure: Failure = { code: 'SIDECAR_EXITED', message: `The sidecar ended by itself (${how}).`, advice: AGAIN, final: false }
  const lastLines = end.lastLines.filter((line) => !line.startsWith('{')).slice(-LINES_TOLD)
  return lastLines.length === 0 ? failure : { ...failure, lastLines }
}

function locked(message: string): Failure {
  const advice = 'Close the other copy of this app, or wait until it has ended, and try again.'
  return { code: 'DATA_DIR_LOCKED', message, advice, final: false }
}
