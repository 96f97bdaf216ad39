/**
 * The last lines of a run say what did not run, and why.
 *
 * Law: without Chromium the scenarios did not run at all, and in CI that is a failure.
 */
import type { Reporter, TestModule } from 'vitest/node'
import { KINDS } from './host'

export default class LastLines implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = new Map<string, number>()
    for (const test of modules.flatMap((module) => [...module.children.allTests('skipped')])) {
      const kind = KINDS.find(({ name }) => test.fullName.startsWith(`${name}:`))
      if (kind !== undefined) skipped.set(kind.name, (skipped.get(kind.name) ?? 0) + 1)
    }
    for (const { name, missing } of KINDS) {
      if (missing === null) continue
      console.log(`${skipped.get(name) ?? 0} scenarios were skipped in ${name}: ${missing}.`)
      if (name === 'chromium' && process.env['CI'] !== undefined) process.exitCode = 1
    }
  }
}
