// Several files and folders that were dropped at once: one is looked into, the others stay at hand in the address.

/** The address of a look into the first of some paths, which keeps all of them when there are several. */
export function lookParams(paths: readonly string[]): { path: string; dropped?: string } | undefined {
  const [path] = paths
  if (!path) return undefined
  return paths.length > 1 ? { path, dropped: JSON.stringify(paths) } : { path }
}

/** What was dropped together, out of an address that somebody may have typed. */
export function droppedOf(param: string | undefined): string[] {
  if (!param) return []
  try {
    const found: unknown = JSON.parse(param)
    if (!Array.isArray(found)) return []
    return [...new Set(found.filter((path): path is string => typeof path === 'string' && path !== ''))]
  } catch {
    return []
  }
}

/** The same list, with another one looked into. */
export function lookHref(path: string, dropped: readonly string[]): string {
  return `#/inspect?path=${encodeURIComponent(path)}&dropped=${encodeURIComponent(JSON.stringify(dropped))}`
}
