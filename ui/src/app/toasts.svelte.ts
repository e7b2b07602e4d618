// Short messages about something that was just done, with a way to undo it.

export interface Toast {
  id: number
  text: string
  kind: 'done' | 'error'
  action?: { label: string; run: () => void }
}

const STAY_MS = 10_000

class Toasts {
  list = $state.raw<Toast[]>([])
  private next = 1

  show(text: string, options: { kind?: Toast['kind']; action?: Toast['action'] } = {}): void {
    const toast: Toast = { id: this.next++, text, kind: options.kind ?? 'done', action: options.action }
    this.list = [...this.list.slice(-3), toast]
    setTimeout(() => this.dismiss(toast.id), STAY_MS)
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id)
  }
}

export const toasts = new Toasts()
