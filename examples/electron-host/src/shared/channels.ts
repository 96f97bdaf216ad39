/**
 * The names that cross between a window and the main process.
 *
 * Law: what is not here is not registered and not forwarded. The sidecar's methods keep their names.
 */
import type { SidecarMethods, SidecarNotifications } from './protocol'

/** Methods for the host alone: a window can neither unlock the vault nor speak for another window. */
export type HostOnlyMethod = 'llm:vault:unlock' | 'llm:vault:rotate' | 'llm:window:closed'

/** Methods a window can have called. */
export type WindowMethod = Exclude<keyof SidecarMethods & `llm:${string}`, HostOnlyMethod>

/** Events that a window gets. */
export type EventChannel = keyof SidecarNotifications

export const EVENT_CHANNELS = Object.keys({
  'llm:thinking': 0,
  'llm:token': 0,
  'llm:tool-call': 0,
  'llm:progress': 0,
  'llm:done': 0,
  'llm:error': 0,
  'llm:chat:chunk': 0,
  'llm:job:progress': 0,
  'llm:job:done': 0,
  'llm:job:error': 0
} satisfies Record<EventChannel, 0>) as EventChannel[]

/** The host's own: how the sidecar is, and starting it again. */
export const SIDECAR_STATE_EVENT = 'llm:sidecar:state'
export const SIDECAR_GET_STATE = 'llm:sidecar:get-state'
export const SIDECAR_RESTART = 'llm:sidecar:restart'

/** The preload's word that it took so many events; 0 when a page begins. */
export const EVENTS_TAKEN = 'llm:events:taken'
