/** The preload of every window. Its law is in `expose.ts`; here it only meets Electron. */
import { contextBridge, ipcRenderer } from 'electron'
import { exposeLlm } from './expose'

exposeLlm(contextBridge, ipcRenderer)
