// The baseline that the run table used last, so that a run that is opened from it is held against the same run.

const KEY = 'slipway.baseline'

class Baseline {
  private id = $state(sessionStorage.getItem(KEY))

  get runId(): string | null {
    return this.id
  }

  remember(runId: string | null): void {
    if (this.id === runId) return
    this.id = runId
    if (runId) sessionStorage.setItem(KEY, runId)
    else sessionStorage.removeItem(KEY)
  }
}

export const baseline = new Baseline()
