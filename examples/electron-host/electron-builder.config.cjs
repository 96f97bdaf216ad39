/** Packages the app with the sidecar's self-contained folder (`make package`, on this platform) inside its resources. */
const { existsSync } = require('node:fs')
const { join, resolve } = require('node:path')

const sidecar = { from: '../../dist/llm-sidecar', to: 'llm-sidecar' }

/** electron-builder only warns where `from` is missing, and would pack another platform's program. */
function requireSidecar({ electronPlatformName }) {
  const program = electronPlatformName === 'win32' ? 'llm-sidecar.exe' : 'llm-sidecar'
  const path = join(resolve(__dirname, sidecar.from), program)
  if (!existsSync(path)) throw new Error(`There is no ${path}: run \`make package\` first, on the platform you package for.`)
}

module.exports = {
  appId: 'org.example.llm-sidecar-host',
  productName: 'LLM Sidecar Host',
  directories: { output: 'release' },
  files: ['out/**'],
  extraResources: [sidecar],
  beforePack: requireSidecar,
  // No Node for whoever starts the app with another file, no debugger, no loading from outside the archive.
  electronFuses: {
    runAsNode: false,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true
  },
  linux: { target: ['AppImage'], category: 'Utility' },
  mac: {
    target: ['dmg'],
    category: 'public.app-category.utilities',
    hardenedRuntime: true,
    // Data, under the app's seal: each would be signed by itself, in an attribute that gets lost in an archive.
    signIgnore: '/llm-sidecar/(_internal/.*\\.(pyc|zip)|licenses/.*)$'
  },
  win: { target: ['nsis'] }
}
