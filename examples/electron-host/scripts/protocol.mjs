// Copies the protocol's generated types into the app, so that the folder can be taken out of this repository.
import { copyFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
copyFileSync(at('../../../protocol/types.ts'), at('../src/shared/protocol.ts'))
