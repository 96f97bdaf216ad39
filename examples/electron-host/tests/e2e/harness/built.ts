/** Where the page and the preload script of the harness are built. */
import { resolve } from 'node:path'

export const PAGE_FOLDER = resolve(import.meta.dirname, '../../../out/e2e/page')
export const PRELOAD_FOLDER = resolve(import.meta.dirname, '../../../out/e2e/preload')
