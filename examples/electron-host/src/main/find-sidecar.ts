/**
 * Where the sidecar is: what a setting names, the packaged binary, a virtual environment, or a Python on the PATH.
 *
 * Law: it only looks; it starts nothing. The first that exists is taken, in this order; none is null.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

export interface SidecarCommand {
  file: string
  args: string[]
  /** Which of them it is, for the log. */
  source: 'setting' | 'packaged' | 'venv' | 'path'
}

export interface Places {
  env: NodeJS.ProcessEnv
  platform: NodeJS.Platform
  /** `app.isPackaged`: a packaged app looks at nothing but its own binary and the setting. */
  packaged: boolean
  /** `process.resourcesPath`. */
  resourcesPath: string
  /** Folders from which to look for `.venv`, upwards; the app's own. */
  startFolder: string
}

/**
 * `LLM_SIDECAR_COMMAND` is the path of a program, or a JSON array of a program and its first arguments. The sidecar's
 * own (`serve --data-dir …`) are added by who starts it. Throws where the setting is not one of the two.
 */
export function findSidecar(places: Places): SidecarCommand | null {
  const named = places.env['LLM_SIDECAR_COMMAND']
  if (named !== undefined && named !== '') return fromSetting(named)
  const windows = places.platform === 'win32'
  const binary = windows ? 'llm-sidecar.exe' : 'llm-sidecar'
  const packaged = join(places.resourcesPath, 'llm-sidecar', binary)
  if (isProgram(packaged)) return { file: packaged, args: [], source: 'packaged' }
  if (places.packaged) return null
  const inVenv = windows ? join('.venv', 'Scripts', 'python.exe') : join('.venv', 'bin', 'python')
  for (const folder of upwards(places.startFolder)) {
    const python = join(folder, inVenv)
    if (isProgram(python)) return { file: python, args: ['-m', 'llm_sidecar'], source: 'venv' }
  }
  const names = windows ? ['python.exe', 'py.exe'] : ['python3', 'python']
  const sidecar = onPath([binary], places)
  if (sidecar !== null) return { file: sidecar, args: [], source: 'path' }
  const python = onPath(names, places)
  return python === null ? null : { file: python, args: ['-m', 'llm_sidecar'], source: 'path' }
}

function fromSetting(text: string): SidecarCommand {
  if (!text.startsWith('[')) return { file: text, args: [], source: 'setting' }
  let words: unknown
  try {
    words = JSON.parse(text)
  } catch {
    words = null
  }
  if (!Array.isArray(words) || words.length === 0 || !words.every((word) => typeof word === 'string')) {
    throw new Error('LLM_SIDECAR_COMMAND is neither a path nor a JSON array of a program and its arguments.')
  }
  const [file, ...args] = words as [string, ...string[]]
  return { file, args, source: 'setting' }
}

function* upwards(folder: string): Generator<string> {
  for (let here = folder; ; here = dirname(here)) {
    yield here
    if (dirname(here) === here) return
  }
}

function onPath(names: string[], places: Places): string | null {
  for (const folder of (places.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue // An empty entry means the working folder, where anybody may have put a program.
    for (const name of names) {
      const file = join(folder, name)
      if (isProgram(file)) return file
    }
  }
  return null
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
