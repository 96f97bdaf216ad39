/** Where a sidecar is looked for, and which one is taken. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { findSidecar, type Places } from '../../src/main/find-sidecar'
import { folder } from '../support/bridge'

/** A computer with these files, each a program. */
function computer(...programs: string[]) {
  const root = folder()
  for (const program of programs) {
    const file = join(root, program)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 })
  }
  const find = (more: Partial<Places> = {}) => findSidecar({
    env: { PATH: [join(root, 'bin'), '', join(root, 'usr/bin')].join(delimiter) },
    platform: 'linux',
    packaged: false,
    resourcesPath: join(root, 'resources'),
    startFolder: join(root, 'work/app/out'),
    ...more
  })
  return { root, find }
}

const PACKAGED = 'resources/llm-sidecar/llm-sidecar'
const VENV = 'work/.venv/bin/python'
const ON_PATH = 'bin/llm-sidecar'
const PYTHON = 'usr/bin/python3'

test('the packaged binary comes first, then a virtual environment above the app, then the PATH', () => {
  const { root, find } = computer(PACKAGED, VENV, ON_PATH, PYTHON)
  expect(find()).toEqual({ file: join(root, PACKAGED), args: [], source: 'packaged' })
  const without = computer(VENV, ON_PATH, PYTHON)
  expect(without.find()).toEqual({ file: join(without.root, VENV), args: ['-m', 'llm_sidecar'], source: 'venv' })
  const plain = computer(ON_PATH, PYTHON)
  expect(plain.find()).toEqual({ file: join(plain.root, ON_PATH), args: [], source: 'path' })
  const python = computer(PYTHON)
  expect(python.find()).toEqual({ file: join(python.root, PYTHON), args: ['-m', 'llm_sidecar'], source: 'path' })
})

test('the nearest virtual environment is taken', () => {
  const { root, find } = computer(VENV, 'work/app/.venv/bin/python')
  expect(find()?.file).toBe(join(root, 'work/app/.venv/bin/python'))
})

test('a packaged app takes its own binary or none: not a Python that happens to be there', () => {
  const { find } = computer(VENV, ON_PATH, PYTHON)
  expect(find({ packaged: true })).toBeNull()
})

test('nothing is nothing', () => {
  expect(computer().find()).toBeNull()
  expect(computer().find({ env: {} })).toBeNull()
})

test('what cannot be run, and a folder of that name, are passed over', () => {
  const { root, find } = computer('resources/llm-sidecar/llm-sidecar/inner', PYTHON)
  mkdirSync(join(root, 'bin'))
  writeFileSync(join(root, ON_PATH), 'notes')
  chmodSync(join(root, ON_PATH), 0o644)
  expect(find()?.file).toBe(join(root, PYTHON))
})

test('the working folder is no place to look, though the PATH has an empty entry', () => {
  const { root, find } = computer('llm-sidecar')
  const before = process.cwd()
  try {
    process.chdir(root)
    expect(find()).toBeNull()
  } finally {
    process.chdir(before)
  }
})

test('on Windows its names are others', () => {
  const venv = computer('work/.venv/Scripts/python.exe')
  expect(venv.find({ platform: 'win32' })?.source).toBe('venv')
  const packaged = computer('resources/llm-sidecar/llm-sidecar.exe')
  expect(packaged.find({ platform: 'win32' })?.source).toBe('packaged')
  expect(computer(PACKAGED).find({ platform: 'win32' })).toBeNull()
})

test.each([
  ['/opt/other/llm-sidecar', { file: '/opt/other/llm-sidecar', args: [] }],
  ['C:\\Program Files\\llm-sidecar.exe', { file: 'C:\\Program Files\\llm-sidecar.exe', args: [] }],
  ['["/usr/bin/python3", "-m", "llm_sidecar"]', { file: '/usr/bin/python3', args: ['-m', 'llm_sidecar'] }]
])('LLM_SIDECAR_COMMAND=%s names it, before everything else', (named, expected) => {
  const { find } = computer(PACKAGED, VENV)
  for (const packaged of [true, false]) expect(find({ env: { LLM_SIDECAR_COMMAND: named }, packaged })).toEqual({ ...expected, source: 'setting' })
})

test('an empty setting is none', () => {
  expect(computer(PACKAGED).find({ env: { LLM_SIDECAR_COMMAND: '' } })?.source).toBe('packaged')
})

test.each(['[', '[]', '[7]', '["a", null]', '[{"file": "x"}]'])('LLM_SIDECAR_COMMAND=%s is refused by name', (named) => {
  expect(() => computer(PACKAGED).find({ env: { LLM_SIDECAR_COMMAND: named } })).toThrow(/^LLM_SIDECAR_COMMAND is neither/)
})
