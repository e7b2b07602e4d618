// What every screen needs to know: the server's facts and the list of experiments, kept fresh by events.

import { api, describe } from '../api/client'
import { live } from '../api/live.svelte'
import { session } from '../api/session.svelte'
import type { Experiment, Info } from '../api/types'
import { throttle } from './throttle'

const REFRESH_MS = 1000

class Catalog {
  info = $state.raw<Info | null>(null)
  experiments = $state.raw<Experiment[]>([])
  loaded = $state(false)
  problem = $state.raw<{ message: string; hint?: string } | null>(null)

  private refresh = throttle(() => void this.load(), REFRESH_MS)

  start(): void {
    void this.load()
    live.on((event) => {
      if (event.type === 'reset' || event.type === 'experiments' || event.type === 'runs') this.refresh()
    })
  }

  get runCount(): number {
    return this.experiments.reduce((sum, experiment) => sum + experiment.run_count, 0)
  }

  get runningCount(): number {
    return this.experiments.reduce((sum, experiment) => sum + experiment.running_count, 0)
  }

  name(experimentId: string): string {
    return (
      this.experiments.find((experiment) => experiment.experiment_id === experimentId)?.name ?? experimentId
    )
  }

  async load(): Promise<void> {
    try {
      const [info, list] = await Promise.all([api.info(), api.experiments()])
      this.info = info
      this.experiments = list.experiments
      this.loaded = true
      this.problem = null
    } catch (error) {
      if (!session.refused) this.problem = describe(error)
    }
  }
}

export const catalog = new Catalog()
