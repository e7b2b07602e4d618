// A graph that was laid out already: boxes with places, and edges between them. What a box means is its own matter.

export interface GraphBox {
  id: string
  kind: 'dataset' | 'run' | 'logged_model' | 'version' | 'alias' | 'model'
  kindWord: string
  label: string
  detail: string
  href: string | null
  isStart: boolean
  isMissing: boolean
  x: number
  y: number
  width: number
  height: number
}

export interface GraphEdge {
  from: string
  to: string
  label: string
}

/** The box that an arrow key leads to: along the edges sideways, by place up and down. Null: stay. */
export function neighbour(boxes: GraphBox[], edges: GraphEdge[], from: string, key: string): string | null {
  const at = boxes.find(({ id }) => id === from)
  if (!at) return null
  const middle = (box: GraphBox) => box.y + box.height / 2
  const nearest = (list: GraphBox[]) =>
    [...list].sort((a, b) => Math.abs(middle(a) - middle(at)) - Math.abs(middle(b) - middle(at)))[0]?.id ??
    null
  const byIds = (ids: string[]) => boxes.filter(({ id }) => ids.includes(id))
  if (key === 'ArrowRight')
    return nearest(byIds(edges.filter((edge) => edge.from === from).map(({ to }) => to)))
  if (key === 'ArrowLeft')
    return nearest(byIds(edges.filter((edge) => edge.to === from).map((edge) => edge.from)))
  const column = boxes.filter(({ id, x }) => id !== from && Math.abs(x - at.x) < at.width / 2)
  if (key === 'ArrowDown') return nearest(column.filter((box) => box.y > at.y))
  if (key === 'ArrowUp') return nearest(column.filter((box) => box.y < at.y))
  return null
}
