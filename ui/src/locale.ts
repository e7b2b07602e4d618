// Must be imported before anything else.
//
// In containers `LANG=C` makes some webviews report the language "C", which no Intl constructor accepts:
// every one of them then throws, and libraries that build a formatter when they load fail to load.

function usable(locale: string | undefined): boolean {
  if (!locale) return false
  try {
    new Intl.NumberFormat(locale)
    return true
  } catch {
    return false
  }
}

if (!usable(navigator.language)) {
  Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true })
  Object.defineProperty(navigator, 'languages', { value: ['en-US'], configurable: true })
}

export {}
