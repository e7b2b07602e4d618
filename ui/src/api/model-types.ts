// The shapes of what the server says about registered models, under the names of its contract. A list may have places
// without a value; the OpenAPI document cannot say that.

import type { components } from './schema'
import type { CellValue } from './types'

type Schemas = components['schemas']

export type AliasHolder = Schemas['AliasHolder']
export type AliasRemoval = Schemas['AliasRemoval']
export type BestMetric = Schemas['BestMetric']
export type DeliveryInfo = Schemas['DeliveryInfo']
export type DeliveryList = Schemas['DeliveryList']
export type DeliveryRef = Schemas['DeliveryRef']
export type DeliveryState = Schemas['DeliveryState']
export type DiffRequest = Schemas['DiffRequest']
export type EarlierHolder = Schemas['EarlierHolder']
export type FileChange = Schemas['FileChange']
export type FileChangeKind = Schemas['FileChangeKind']
export type FilesCheck = Schemas['FilesCheck']
export type FilesRecord = Schemas['FilesRecord']
export type FilesState = Schemas['FilesState']
export type HistoryAction = Schemas['HistoryAction']
export type HistoryEntry = Schemas['HistoryEntry']
export type HistoryKind = Schemas['HistoryKind']
export type Holders = Schemas['Holders']
export type Lineage = Schemas['Lineage']
export type LineageEdge = Schemas['LineageEdge']
export type LineageNode = Schemas['LineageNode']
export type LineagePoint = Schemas['LineagePoint']
export type MetricDirection = Schemas['MetricDirection']
export type MetricName = Schemas['MetricName']
export type ModelDeletion = Schemas['ModelDeletion']
export type ModelDetail = Schemas['ModelDetail']
export type ModelEdit = Schemas['ModelEdit']
export type ModelFlavor = Schemas['ModelFlavor']
export type ModelHistory = Schemas['ModelHistory']
export type ModelMetricInfo = Schemas['ModelMetricInfo']
export type ModelRow = Schemas['ModelRow']
export type ModelRule = Schemas['ModelRule']
export type ModelSignature = Schemas['ModelSignature']
export type ModelStage = Schemas['ModelStage']
export type ModelTarget = Schemas['ModelTarget']
export type ModelVersionRef = Schemas['ModelVersionRef']
export type ModelsOrder = Schemas['ModelsOrder']
export type ModelsPage = Schemas['ModelsPage']
export type ModelsRequest = Schemas['ModelsRequest']
export type NewModel = Schemas['NewModel']
export type Promoted = Schemas['Promoted']
export type PromotionRequest = Schemas['PromotionRequest']
export type RegisterPreview = Schemas['RegisterPreview']
export type RegisterRequest = Schemas['RegisterRequest']
export type RegisterSource = Schemas['RegisterSource']
export type RegistrySuggestRequest = Schemas['RegistrySuggestRequest']
export type Registered = Schemas['Registered']
export type RollbackRequest = Schemas['RollbackRequest']
export type RuleCheck = Schemas['RuleCheck']
export type RuleResult = Schemas['RuleResult']
export type RulesEdit = Schemas['RulesEdit']
export type RunBrief = Schemas['RunBrief']
export type SignatureField = Schemas['SignatureField']
export type SignatureState = Schemas['SignatureState']
export type SignatureVerdict = Schemas['SignatureVerdict']
export type StageHolder = Schemas['StageHolder']
export type UndoPromotion = Schemas['UndoPromotion']
export type VersionDataset = Schemas['VersionDataset']
export type VersionFile = Schemas['VersionFile']
export type VersionFiles = Schemas['VersionFiles']
export type VersionLoggedModel = Schemas['VersionLoggedModel']
export type VersionMetric = Schemas['VersionMetric']
export type VersionRun = Schemas['VersionRun']
export type VersionsOrder = Schemas['VersionsOrder']
export type VersionsRequest = Schemas['VersionsRequest']
export type WebhookEdit = Schemas['WebhookEdit']
export type WebhookInfo = Schemas['WebhookInfo']
export type WebhookList = Schemas['WebhookList']
export type WebhookRef = Schemas['WebhookRef']
export type WebhookTrial = Schemas['WebhookTrial']

export type VersionsPage = Omit<Schemas['VersionsPage'], 'versions'> & { versions: VersionRow[] }

export type VersionRow = Omit<Schemas['VersionRow'], 'metrics'> & { metrics: (CellValue | null)[] }

export type VersionDetail = Omit<Schemas['VersionDetail'], 'version' | 'card'> & {
  version: VersionRow
  card?: ModelCard | null
}

export type ModelCard = Omit<Schemas['ModelCard'], 'input_example'> & { input_example?: InputExample | null }

export type InputExample = Omit<Schemas['InputExample'], 'rows'> & { rows: (CellValue | null)[][] }

export type PromotionPreview = Omit<Schemas['PromotionPreview'], 'diff'> & { diff: ModelsDiff }

export type ModelsDiff = Omit<
  Schemas['ModelsDiff'],
  'versions' | 'metrics' | 'latency' | 'params' | 'environment' | 'sizes_bytes'
> & {
  versions: VersionRow[]
  metrics: DiffMetric[]
  latency: DiffMetric[]
  params: DiffText[]
  environment: DiffText[]
  sizes_bytes: (number | null)[]
}

export type DiffMetric = Omit<Schemas['DiffMetric'], 'values' | 'deltas' | 'better'> & {
  values: (CellValue | null)[]
  deltas: (number | null)[]
  better: (boolean | null)[]
}

export type DiffText = Omit<Schemas['DiffText'], 'values'> & { values: (string | null)[] }
