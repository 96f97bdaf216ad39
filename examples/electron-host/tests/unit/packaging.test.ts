/** `make package`, electron-builder and find-sidecar agree on where the sidecar is, in an app on every platform. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { build, Platform } from 'electron-builder'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findSidecar } from '../../src/main/find-sidecar'

interface Config {
  extraResources: [{ from: string; to: string }]
  beforePack: (context: { electronPlatformName: string }) => void
  mac: { signIgnore: string }
}

const host = resolve(import.meta.dirname, '../..')
const project = resolve(host, '../..')
const config = createRequire(import.meta.url)(join(host, 'electron-builder.config.cjs')) as Config
const [sidecar] = config.extraResources

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'packaging-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(path: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, mode)
}

function findIn(resourcesPath: string, platform: NodeJS.Platform): string | undefined {
  return findSidecar({ env: {}, platform, packaged: true, resourcesPath, startFolder: folder })?.file
}

test.each([
  ['linux', 'resources', 'llm-sidecar'],
  ['win32', 'resources', 'llm-sidecar.exe'],
  ['darwin', 'App.app/Contents/Resources', 'llm-sidecar']
] as const)('on %s the app finds the sidecar where electron-builder puts it', (platform, resources, program) => {
  const resourcesPath = join(folder, resources)
  expect(findIn(resourcesPath, platform)).toBeUndefined()
  put(join(resourcesPath, sidecar.to, program), 0o755)
  expect(findIn(resourcesPath, platform)).toBe(join(resourcesPath, sidecar.to, program))
})

test('electron-builder takes the folder that make package makes', () => {
  const program = /^PACKAGED := (.+)$/m.exec(readFileSync(join(project, 'Makefile'), 'utf8'))?.[1]
  expect(program).toBeDefined()
  expect(resolve(host, sidecar.from)).toBe(dirname(join(project, program!)))
})

test.each(['linux', 'win32', 'darwin'])('without a sidecar for %s nothing is packaged, and it says what to run', (name) => {
  const program = join(resolve(host, sidecar.from), name === 'win32' ? 'llm-sidecar.exe' : 'llm-sidecar')
  const pack = (): void => config.beforePack({ electronPlatformName: name })
  if (existsSync(program)) expect(pack).not.toThrow()
  else expect(pack).toThrow('make package')
})

test.each([
  ['llm-sidecar', true],
  ['_internal/Python', true],
  ['_internal/lib-dynload/_ssl.so', true],
  ['_internal/asyncio/__init__.pyc', false],
  ['_internal/base_library.zip', false],
  ['licenses/aiohttp/LICENSE.txt', false]
])('on macOS %s is signed by itself: %s', (name, isSigned) => {
  const path = `/release/mac/App.app/Contents/Resources/${sidecar.to}/${name}`
  expect(!new RegExp(config.mac.signIgnore).test(path)).toBe(isSigned)
})

/** electron-builder leaves out `.pyc` and other files of an app by itself: not those of its extra resources. */
test.skipIf(process.platform !== 'linux')('electron-builder copies all of the sidecar, and it stays a program', async () => {
  const electron = join(folder, 'electron')
  put(join(electron, 'electron'), 0o755) // A stand-in: no Electron is started here.
  put(join(electron, 'version'))
  mkdirSync(join(electron, 'resources'))
  const files = ['asyncio/__init__.pyc', 'libpython3.so.1.0', 'a.dist-info/METADATA'].map((name) => join('_internal', name))
  for (const file of files) put(join(folder, 'sidecar', file))
  put(join(folder, 'sidecar', 'llm-sidecar'), 0o755)
  put(join(folder, 'app', 'index.js'))
  const app = { name: 'app', version: '1.0.0', main: 'index.js', author: 'a', description: 'a' }
  writeFileSync(join(folder, 'app', 'package.json'), JSON.stringify(app))
  await build({
    targets: Platform.LINUX.createTarget('dir'),
    projectDir: join(folder, 'app'),
    publish: 'never',
    config: {
      electronVersion: '45.5.0',
      electronDist: electron,
      npmRebuild: false,
      directories: { output: join(folder, 'release') },
      extraResources: [{ ...sidecar, from: join(folder, 'sidecar') }]
    }
  })
  const resources = join(folder, 'release', 'linux-unpacked', 'resources')
  for (const file of files) expect(existsSync(join(resources, sidecar.to, file)), file).toBe(true)
  const found = findIn(resources, 'linux')
  expect(found).toBe(join(resources, 'llm-sidecar', 'llm-sidecar'))
  expect(statSync(found!).mode & 0o111).toBe(0o111)
}, 60_000)
