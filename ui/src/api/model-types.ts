// The shapes of what the server says about registered models, under the names of its contract. A list may have places
// without a value; the OpenAPI document cannot say that.

import type { components } from './schema'
import type { CellValue } from './types'

type Schemas = components['schemas']

export type AliasHolder = Schemas['AliasHolder']
export type BestMetric = Schemas['BestMetric']
export type FilesRecord = Schemas['FilesRecord']
export type MetricDirection = Schemas['MetricDirection']
export type MetricName = Schemas['MetricName']
export type ModelDetail = Schemas['ModelDetail']
export type ModelFlavor = Schemas['ModelFlavor']
export type ModelMetricInfo = Schemas['ModelMetricInfo']
export type ModelRow = Schemas['ModelRow']
export type ModelRule = Schemas['ModelRule']
export type ModelSignature = Schemas['ModelSignature']
export type ModelStage = Schemas['ModelStage']
export type ModelTarget = Schemas['ModelTarget']
export type ModelsOrder = Schemas['ModelsOrder']
export type ModelsPage = Schemas['ModelsPage']
export type ModelsRequest = Schemas['ModelsRequest']
export type RuleCheck = Schemas['RuleCheck']
export type RunBrief = Schemas['RunBrief']
export type SignatureField = Schemas['SignatureField']
export type StageHolder = Schemas['StageHolder']
export type VersionDataset = Schemas['VersionDataset']
export type VersionFile = Schemas['VersionFile']
export type VersionFiles = Schemas['VersionFiles']
export type VersionLoggedModel = Schemas['VersionLoggedModel']
export type VersionMetric = Schemas['VersionMetric']
export type VersionRun = Schemas['VersionRun']
export type VersionsOrder = Schemas['VersionsOrder']
export type VersionsRequest = Schemas['VersionsRequest']

export type VersionsPage = Omit<Schemas['VersionsPage'], 'versions'> & { versions: VersionRow[] }

export type VersionRow = Omit<Schemas['VersionRow'], 'metrics'> & { metrics: (CellValue | null)[] }

export type VersionDetail = Omit<Schemas['VersionDetail'], 'version' | 'card'> & {
  version: VersionRow
  card?: ModelCard | null
}

export type ModelCard = Omit<Schemas['ModelCard'], 'input_example'> & { input_example?: InputExample | null }

export type InputExample = Omit<Schemas['InputExample'], 'rows'> & { rows: (CellValue | null)[][] }

export interface ModelVersionRef {
  name: string
  version: number
}

export interface ModelEdit {
  name: string
  version?: number | null
  description?: string | null
  set_tags?: { [key: string]: string }
  remove_tags?: string[]
  new_name?: string | null
}

export interface ModelDeletion {
  name: string
  version?: number | null
  note?: string | null
}

export interface NewModel {
  name: string
  description?: string | null
  tags?: { [key: string]: string }
}

export type RegisterSource =
  | { kind: 'logged_model'; model_id: string }
  | { kind: 'run_artifact'; run_id: string; path: string }
  | { kind: 'path'; path: string }

export interface RegisterRequest {
  name: string
  source: RegisterSource
  description?: string | null
  tags?: { [key: string]: string }
}

export interface Registered {
  name: string
  version: number
  warnings: string[]
}

export interface RegisterPreview {
  suggested_name: string
  detail: string
  files: number
  size_bytes: number
  warnings: string[]
}

export type LineagePoint =
  | { kind: 'dataset'; experiment_id: string; name: string; digest: string }
  | { kind: 'run'; run_id: string }
  | { kind: 'logged_model'; model_id: string }
  | { kind: 'version'; name: string; version: number }
  | { kind: 'alias'; name: string; alias: string }
  | { kind: 'model'; name: string }

export interface Lineage {
  nodes: LineageNode[]
  edges: LineageEdge[]
  width: number
  height: number
  truncated: boolean
}

export interface LineageNode {
  id: number
  point: LineagePoint
  label: string
  detail: string
  is_start: boolean
  is_missing: boolean
  layer: number
  x: number
  y: number
  width: number
  height: number
}

export interface LineageEdge {
  from: number
  to: number
  label: string
}

export interface RulesEdit {
  name: string
  rules: ModelRule[]
  note?: string | null
}

export interface RuleResult {
  rule: ModelRule
  passed: boolean
  reason: string
}

export interface PromotionRequest {
  name: string
  version: number
  target: ModelTarget
  note?: string | null
  archive_existing?: boolean | null
  expected_holder?: number | null
}

export interface PromotionPreview {
  name: string
  version: number
  target: ModelTarget
  holder?: number | null
  rules: RuleResult[]
  allowed: boolean
  archived: number[]
  follows: string[]
  diff: ModelsDiff
}

export interface Promoted {
  name: string
  target: ModelTarget
  version?: number | null
  previous?: number | null
  history_id?: number | null
}

export interface UndoPromotion {
  history_id: number
  note?: string | null
}

export interface AliasRemoval {
  name: string
  alias: string
  note?: string | null
}

export interface RollbackRequest {
  name: string
  target: ModelTarget
  version?: number | null
  note?: string | null
  force?: boolean
}

export interface Holders {
  target: ModelTarget
  holder?: number | null
  earlier: EarlierHolder[]
}

export interface EarlierHolder {
  version: number
  from_ms?: number | null
  until_ms: number
  replaced_by?: number | null
}

export interface FilesCheck {
  version: ModelVersionRef
  state: FilesState
  summary: string
  recorded_ms?: number | null
  changes: FileChange[]
  files: number
  size_bytes: number
}

export type FilesState = 'unchanged' | 'changed' | 'missing' | 'unknown' | 'elsewhere'

export interface FileChange {
  path: string
  change: FileChangeKind
  recorded_sha256?: string | null
  sha256?: string | null
}

export type FileChangeKind = 'changed' | 'missing' | 'added'

export interface ModelHistory {
  entries: HistoryEntry[]
  more: boolean
}

export interface HistoryEntry {
  id: number
  name: string
  version?: number | null
  at_ms: number
  user?: string | null
  via?: string | null
  kind: HistoryKind
  action: HistoryAction
  subject?: string | null
  from?: string | null
  to?: string | null
  note?: string | null
  cause_id?: number | null
  undoes_id?: number | null
  can_undo: boolean
}

export type HistoryKind =
  | 'model_created'
  | 'model_renamed'
  | 'model_described'
  | 'model_deleted'
  | 'model_tag_set'
  | 'model_tag_removed'
  | 'rules_set'
  | 'version_created'
  | 'version_described'
  | 'version_deleted'
  | 'version_tag_set'
  | 'version_tag_removed'
  | 'alias_moved'
  | 'stage_moved'

export type HistoryAction = 'edit' | 'promotion' | 'rollback' | 'undo'

export interface DiffRequest {
  versions: ModelVersionRef[]
}

export interface ModelsDiff {
  versions: VersionRow[]
  metrics: DiffMetric[]
  params: DiffText[]
  environment: DiffText[]
  signatures: SignatureVerdict[]
  sizes_bytes: (number | null)[]
}

export interface DiffMetric {
  metric: MetricName
  direction: MetricDirection
  values: (CellValue | null)[]
  deltas: (number | null)[]
  better: (boolean | null)[]
}

export interface DiffText {
  key: string
  values: (string | null)[]
  differs: boolean
}

export interface SignatureVerdict {
  state: SignatureState
  reasons: string[]
}

export type SignatureState = 'same' | 'compatible' | 'incompatible' | 'unknown'
