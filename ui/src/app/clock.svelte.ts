// The time as the views see it. It moves every few seconds, and only while the page is visible.

const TICK_MS = 5000

class Clock {
  now = $state(Date.now())

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.now = Date.now()
    }, TICK_MS)
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.now = Date.now()
    })
  }
}

export const clock = new Clock()
