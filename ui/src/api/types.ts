// The shapes of Slipway's own API. Names and fields are those of the server's contract.

export interface Info {
  version: string
  boot_id: string
  tracking_uri: string
  data_dir: string
  started_at_ms: number
  host_name: string
  user: string
}

export interface Span {
  start: number
  end: number
}

export type ErrorCode =
  | 'invalid_input'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'already_exists'
  | 'too_large'
  | 'disk_full'
  | 'read_only'
  | 'unavailable'
  | 'internal'

export interface ApiError {
  code: ErrorCode
  message: string
  hint?: string | null
  span?: Span | null
}

export type RunState = 'queued' | 'running' | 'succeeded' | 'failed' | 'canceled'
export type Lifecycle = 'active' | 'deleted'
export type View = 'active' | 'deleted' | 'all'

export interface Experiment {
  experiment_id: string
  name: string
  lifecycle: Lifecycle
  created_ms: number
  updated_ms: number
  tags: Record<string, string>
  run_count: number
  running_count: number
  failed_count: number
  last_run_ms?: number | null
}

export interface ExperimentList {
  experiments: Experiment[]
}

export type TableShape = { kind: 'flat' } | { kind: 'roots' } | { kind: 'children'; parent_run_id: string }

export type ColumnKind = 'attribute' | 'param' | 'metric' | 'tag'
export type Reduce = 'last' | 'min' | 'max' | 'first'

export interface ColumnRef {
  kind: ColumnKind
  key: string
  reduce?: Reduce | null
}

export interface SortKey {
  column: ColumnRef
  descending?: boolean
}

export interface TableRequest {
  experiment_ids?: string[]
  filter?: string
  search?: string
  view?: View
  order_by?: SortKey[]
  columns?: ColumnRef[]
  shape?: TableShape
  offset?: number
  limit?: number | null
}

export type CellValue = number | string

export interface TableRow {
  run_id: string
  experiment_id: string
  name: string
  state: RunState
  lifecycle: Lifecycle
  start_ms?: number | null
  end_ms?: number | null
  parent_run_id?: string | null
  child_count: number
  matches: boolean
  cells: (CellValue | null)[]
}

export interface Table {
  rows: TableRow[]
  total: number
  matching: number
  in_scope: number
  nesting: number
}

export interface ColumnInfo {
  kind: ColumnKind
  key: string
  run_count: number
  is_curve: boolean
  numeric: boolean
  varies: boolean
}

export interface ColumnList {
  columns: ColumnInfo[]
}

export interface RunLink {
  run_id: string
  name: string
  state: RunState
}

export interface KeyValue {
  key: string
  value: string
}

export interface MetricSummary {
  key: string
  points: number
  last: CellValue
  last_step: number
  last_time_ms: number
  first: CellValue
  min?: number | null
  min_step?: number | null
  max?: number | null
  max_step?: number | null
  first_non_finite_step?: number | null
}

export interface DatasetUse {
  name: string
  digest: string
  source_type: string
  source: string
  schema: string
  profile: string
  context?: string | null
}

export type ModelRole = 'input' | 'output'

export interface ModelLink {
  model_id: string
  name: string
  status: string
  role: ModelRole
  step: number
  artifact_uri: string
}

export interface CommandRecord {
  command: string
  working_dir?: string | null
  git_commit?: string | null
  git_dirty: boolean
  host?: string | null
  exit_code?: number | null
}

export interface RunDetail {
  run_id: string
  experiment_id: string
  experiment_name: string
  name: string
  state: RunState
  lifecycle: Lifecycle
  start_ms?: number | null
  end_ms?: number | null
  user: string
  artifact_uri: string
  note: string
  parent?: RunLink | null
  children: RunLink[]
  params: KeyValue[]
  tags: KeyValue[]
  metrics: MetricSummary[]
  datasets: DatasetUse[]
  models: ModelLink[]
  first_problem?: string | null
  command?: CommandRecord | null
}

export interface RunEdit {
  name?: string | null
  note?: string | null
  set_tags?: Record<string, string>
  remove_tags?: string[]
}

export interface RunIds {
  run_ids: string[]
}

export interface Changed {
  changed: number
}

export interface SeriesRef {
  run_id: string
  metric: string
}

export type XAxis = 'step' | 'time' | 'relative'

export interface SeriesRequest {
  series: SeriesRef[]
  x?: XAxis
  from?: number | null
  to?: number | null
  width_px?: number
  smoothing?: number
}

export type Preview = 'none' | 'image' | 'text' | 'csv' | 'json' | 'html' | 'audio' | 'video' | 'pdf'

export interface ArtifactEntry {
  path: string
  name: string
  is_dir: boolean
  size_bytes: number
  preview: Preview
}

export interface ArtifactList {
  root_uri: string
  entries: ArtifactEntry[]
}

export interface ArtifactLink {
  url: string
  expires_ms: number
}

export type InspectKind =
  | 'ml_project'
  | 'mlflow_file_store'
  | 'mlflow_database'
  | 'tensor_board'
  | 'wandb'
  | 'notebook'
  | 'kfp_pipeline'
  | 'python_environment'
  | 'requirements'
  | 'conda_environment'
  | 'dockerfile'
  | 'model'
  | 'python_script'
  | 'table'

export interface InspectItem {
  kind: InspectKind
  path: string
  detail: string
  warning?: string | null
}

export interface InspectReport {
  path: string
  items: InspectItem[]
  folders_seen: number
  unreadable: number
  truncated: boolean
  took_ms: number
}

export interface MetricPoint {
  key: string
  step: number
  time_ms: number
  value: CellValue
}

export type Event =
  | { type: 'reset'; boot_id: string }
  | { type: 'experiments' }
  | { type: 'runs'; experiment_id: string; run_ids: string[] }
  | { type: 'metrics'; experiment_id: string; run_id: string; points: MetricPoint[] }
  | { type: 'artifacts'; run_id: string }
  | { type: 'models' }
