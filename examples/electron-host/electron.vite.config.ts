import { resolve } from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'electron-vite'

export default defineConfig({
  main: {},
  preload: {
    // A sandboxed preload is one CommonJS file.
    build: { rollupOptions: { output: { format: 'cjs', entryFileNames: '[name].cjs' } } }
  },
  renderer: {
    plugins: [react()],
    // Small pictures are files, too: the page's policy is easier to read without exceptions.
    build: { rollupOptions: { input: resolve(import.meta.dirname, 'src/renderer/index.html') } }
  }
})
