// The desktop window: commands and events of the shell.

import { invoke } from '@tauri-apps/api/core'
import { listen } from '@tauri-apps/api/event'
import type { DragEvent, Host, ShellSettings } from './index'

/** Listens from now on; the returned function stops it, even before the shell has confirmed. */
function subscribe<T>(name: string, listener: (payload: T) => void): () => void {
  const confirmed = listen<T>(name, (event) => listener(event.payload))
  confirmed.catch((error: unknown) => console.warn(`the shell does not send ${name}`, error))
  return () => void confirmed.then((stop) => stop()).catch(() => undefined)
}

export const tauriHost: Host = {
  desktop: true,
  pickFolder: () => invoke<string | null>('pick_folder'),
  openExternal: (url) => invoke<void>('open_external', { url }),
  revealPath: (path) => invoke<void>('reveal_path', { path }),
  shellSettings: () => invoke<ShellSettings>('shell_settings'),
  setShellSetting: (name, value) => invoke<ShellSettings>('set_shell_setting', { name, value }),
  firstPaint: () => invoke<void>('first_paint'),
  windowTitle: (title) => invoke<void>('window_title', { title }),
  onDrag: (listener) => subscribe<DragEvent>('slipway://drag', listener),
  onNavigate: (listener) => subscribe<{ path: string }>('slipway://navigate', ({ path }) => listener(path)),
  onMenu: (listener) => subscribe<{ action: string }>('slipway://menu', ({ action }) => listener(action)),
}
