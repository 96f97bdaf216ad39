/** A process that hosts a sidecar, tells its pid while it answers something long, and then dies as it is told. */
import type { SidecarCommand } from '../../src/main/find-sidecar'
import { SidecarProcess } from '../../src/main/sidecar-process'

const [command, dataDir, death] = process.argv.slice(2) as [string, string, string]
const sidecar = new SidecarProcess({
  findCommand: () => JSON.parse(command) as SidecarCommand,
  dataDir,
  client: { name: 'dying host', version: '1' },
  vaultKey: async () => ({ key: null, problem: 'none' }),
  log: () => undefined
})
sidecar.onNotification((name) => {
  if (name === 'llm:token' && sidecar.pid !== undefined) process.stdout.write(`${sidecar.pid}\n`)
})
sidecar.start()
void sidecar.request('llm:inference', { providerId: 'demo', messages: [{ role: 'user', content: '[[demo: tokens=100000]]' }] })
process.stdin.once('data', () => {
  if (death === 'exit') process.exit(3)
  throw new Error('A fault of the app.')
})
