/** Packages the app with the sidecar's self-contained folder (`dist/llm-sidecar/`, made before) inside its resources. */
module.exports = {
  appId: 'org.example.llm-sidecar-host',
  productName: 'LLM Sidecar Host',
  directories: { output: 'release' },
  files: ['out/**'],
  extraResources: [{ from: '../../dist/llm-sidecar', to: 'llm-sidecar' }],
  // No Node for whoever starts the app with another file, no debugger, no loading from outside the archive.
  electronFuses: {
    runAsNode: false,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true
  },
  linux: { target: ['AppImage'], category: 'Utility' },
  mac: { target: ['dmg'], category: 'public.app-category.utilities', hardenedRuntime: true },
  win: { target: ['nsis'] }
}
