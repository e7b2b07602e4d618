/** Calls at once, then at most once in `ms`; calls in between are gathered into one at the end. */
export function throttle(run: () => void, ms: number): () => void {
  let last = -Infinity
  let timer: ReturnType<typeof setTimeout> | undefined
  return () => {
    if (timer !== undefined) return
    const wait = Math.max(0, last + ms - performance.now())
    timer = setTimeout(() => {
      timer = undefined
      last = performance.now()
      run()
    }, wait)
  }
}

/** Calls once, `ms` after the last call. */
export function debounce<A extends unknown[]>(run: (...args: A) => void, ms: number): (...args: A) => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return (...args) => {
    clearTimeout(timer)
    timer = setTimeout(() => run(...args), ms)
  }
}
