// What the user chose for this browser or window: theme, density, keys. Kept in localStorage.

export type ThemeChoice = 'system' | 'light' | 'dark'
export type Density = 'compact' | 'normal' | 'cozy'

interface Stored {
  theme: ThemeChoice
  density: Density
  singleKeys: boolean
  railOpen: boolean
  snippet: string
}

const STORE_KEY = 'slipway.prefs'
const DEFAULTS: Stored = {
  theme: 'system',
  density: 'normal',
  singleKeys: true,
  railOpen: false,
  snippet: 'mlflow',
}

function load(): Stored {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(STORE_KEY) ?? '{}') as Partial<Stored>) }
  } catch {
    return { ...DEFAULTS }
  }
}

const darkQuery = matchMedia('(prefers-color-scheme: dark)')

class Prefs {
  private stored = $state<Stored>(load())
  private systemDark = $state(darkQuery.matches)

  constructor() {
    darkQuery.addEventListener('change', (event) => {
      this.systemDark = event.matches
      this.paint()
    })
    this.paint()
  }

  get theme(): ThemeChoice {
    return this.stored.theme
  }
  set theme(theme: ThemeChoice) {
    this.stored.theme = theme
    this.save()
    this.paint()
  }

  /** What is on screen now, whoever decided it. */
  get resolvedTheme(): 'light' | 'dark' {
    if (this.stored.theme !== 'system') return this.stored.theme
    return this.systemDark ? 'dark' : 'light'
  }

  get density(): Density {
    return this.stored.density
  }
  set density(density: Density) {
    this.stored.density = density
    this.save()
  }

  get rowHeight(): number {
    return { compact: 24, normal: 28, cozy: 36 }[this.stored.density]
  }

  get singleKeys(): boolean {
    return this.stored.singleKeys
  }
  set singleKeys(on: boolean) {
    this.stored.singleKeys = on
    this.save()
  }

  get railOpen(): boolean {
    return this.stored.railOpen
  }
  set railOpen(open: boolean) {
    this.stored.railOpen = open
    this.save()
  }

  get snippet(): string {
    return this.stored.snippet
  }
  set snippet(name: string) {
    this.stored.snippet = name
    this.save()
  }

  private save(): void {
    localStorage.setItem(STORE_KEY, JSON.stringify(this.stored))
  }

  private paint(): void {
    document.documentElement.dataset.theme = this.resolvedTheme
  }
}

export const prefs = new Prefs()
