// What the screen of runs loads when it is asked for.

export const parts = {
  editor: () => import('./RowEditor.svelte'),
  export: () => import('./ExportDialog.svelte'),
  peek: () => import('./PeekPane.svelte'),
  selection: () => import('./SelectionBar.svelte'),
}
