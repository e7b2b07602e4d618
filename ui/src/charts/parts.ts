// What a grid of charts loads when it is asked for.

export const parts = {
  adding: () => import('./AddChart.svelte'),
  data: () => import('./ChartData.svelte'),
  export: () => import('./export'),
  full: () => import('./FullChart.svelte'),
  panel: () => import('./PanelFrame.svelte'),
  settings: () => import('./LineSettings.svelte'),
}
