/** Builds what the scenarios run: the page as it is shipped, and the preload code for a page without Electron. */
import { resolve } from 'node:path'
import react from '@vitejs/plugin-react'
import { build } from 'vite'
import { PAGE_FOLDER, PRELOAD_FOLDER } from './built'

const ROOT = resolve(import.meta.dirname, '../../..')

export default async function setup(): Promise<void> {
  const runner = process.env['NODE_ENV'] // It is `test`, which makes React slow and careful.
  process.env['NODE_ENV'] = 'production'
  await builds()
  process.env['NODE_ENV'] = runner
}

async function builds(): Promise<void> {
  // As `electron-vite build` does it: files, not data addresses.
  await build({
    configFile: false,
    logLevel: 'warn',
    root: resolve(ROOT, 'src/renderer'),
    base: './',
    mode: 'production',
    plugins: [react()],
    build: { outDir: PAGE_FOLDER, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } }
  })
  await build({
    configFile: false,
    logLevel: 'warn',
    root: ROOT,
    build: {
      outDir: PRELOAD_FOLDER,
      emptyOutDir: true,
      minify: false,
      lib: { entry: resolve(import.meta.dirname, 'page-preload.ts'), formats: ['iife'], name: 'preload', fileName: () => 'page-preload.js' }
    }
  })
}
