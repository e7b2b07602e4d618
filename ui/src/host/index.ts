// The one seam between the page and the machine it runs on. Everything else comes over HTTP.

import { browserHost } from './browser'
import { tauriHost } from './tauri'

export interface ShellSettings {
  keep_in_tray: boolean
  start_at_login: boolean
  run_in_background: boolean
  tray_available: boolean
  start_at_login_available: boolean
}

export type ShellSetting = 'keep_in_tray' | 'start_at_login' | 'run_in_background'

export interface DragEvent {
  phase: 'enter' | 'over' | 'leave' | 'drop'
  paths: string[]
}

export interface Host {
  /** True in the desktop window. */
  readonly desktop: boolean
  /** Asks for a folder. Null when the user changed their mind. Only in the desktop window. */
  pickFolder(): Promise<string | null>
  openExternal(url: string): Promise<void>
  /** Shows a file or folder in the system's file manager. Only in the desktop window. */
  revealPath(path: string): Promise<void>
  shellSettings(): Promise<ShellSettings | null>
  setShellSetting(name: ShellSetting, value: boolean): Promise<ShellSettings | null>
  /** Tells the shell that something was painted, so that its start guard stands down. */
  firstPaint(): Promise<void>
  windowTitle(title: string): Promise<void>
  onDrag(listener: (event: DragEvent) => void): () => void
  onNavigate(listener: (path: string) => void): () => void
  onMenu(listener: (action: string) => void): () => void
}

export const host: Host = '__TAURI_INTERNALS__' in window ? tauriHost : browserHost
