// The token that opens Slipway's own API. It arrives in the URL fragment, which browsers never send to a
// server, and lives in sessionStorage, which no other origin or tab can read.

const STORE_KEY = 'slipway.token'

class Session {
  token = $state<string | null>(null)
  /** The server refused the token: it belongs to an earlier start of the program. */
  refused = $state(false)

  /** Takes the token out of the address bar. Returns the place to open, when the link named one. */
  adopt(): string | null {
    const fragment = location.hash.slice(1)
    let go: string | null = null
    if (fragment.startsWith('token=')) {
      const params = new URLSearchParams(fragment)
      const token = params.get('token')
      go = params.get('go')
      if (token) sessionStorage.setItem(STORE_KEY, token)
      const place = go && go.startsWith('/') ? `#${go}` : '#/'
      history.replaceState(history.state, '', location.pathname + place)
    }
    this.token = sessionStorage.getItem(STORE_KEY)
    return go
  }

  replace(token: string): void {
    sessionStorage.setItem(STORE_KEY, token)
    this.token = token
    this.refused = false
  }

  refuse(): void {
    this.refused = true
  }
}

export const session = new Session()
