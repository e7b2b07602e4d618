// A plain browser tab: no folder dialog, no paths of dropped files, no tray.

import type { Host } from './index'

export const browserHost: Host = {
  desktop: false,
  pickFolder: () => Promise.resolve(null),
  openExternal(url) {
    window.open(url, '_blank', 'noopener,noreferrer')
    return Promise.resolve()
  },
  revealPath: () => Promise.resolve(),
  shellSettings: () => Promise.resolve(null),
  setShellSetting: () => Promise.resolve(null),
  firstPaint: () => Promise.resolve(),
  windowTitle: () => Promise.resolve(),
  onDrag: () => () => undefined,
  onNavigate: () => () => undefined,
  onMenu: () => () => undefined,
}
