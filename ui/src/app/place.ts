// The text form of a place: `#/runs?experiments=1,2&filter=…`.

export interface Place {
  /** Starts with `/`. */
  path: string
  params: Record<string, string>
}

/** Escapes what would end a value, and leaves what a person wants to read in an address. */
function escapeValue(value: string): string {
  return encodeURIComponent(value).replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/')
}

function unescapeValue(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

export function parsePlace(hash: string): Place {
  const text = hash.startsWith('#') ? hash.slice(1) : hash
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  const params: Record<string, string> = {}
  if (mark >= 0) {
    for (const pair of text.slice(mark + 1).split('&')) {
      if (!pair) continue
      const equals = pair.indexOf('=')
      const key = equals < 0 ? pair : pair.slice(0, equals)
      params[unescapeValue(key)] = equals < 0 ? '' : unescapeValue(pair.slice(equals + 1))
    }
  }
  return fromMlflow({ path: path.startsWith('/') ? path : '/', params })
}

/** The stock client prints links to the pages of MLflow's own UI. Here they lead to the same things. */
function fromMlflow(place: Place): Place {
  const link = /^\/experiments\/([^/]+)(?:\/runs\/([^/]+))?/.exec(place.path)
  if (!link) return place
  const [, experiment = '', run] = link
  if (run) return { path: `/run/${run}`, params: {} }
  return { path: '/runs', params: { experiments: unescapeValue(experiment) } }
}

export function printPlace(place: Place): string {
  const pairs = Object.entries(place.params)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${escapeValue(key)}=${escapeValue(value)}`)
  return `#${place.path}${pairs.length ? `?${pairs.join('&')}` : ''}`
}
