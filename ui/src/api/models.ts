// Calls about registered models. They stand apart from the others since only the screens that show models load them.

import { json } from './client'
import type {
  AliasRemoval,
  DeliveryInfo,
  DeliveryList,
  DiffRequest,
  FilesCheck,
  Holders,
  Lineage,
  LineagePoint,
  ModelDeletion,
  ModelDetail,
  ModelEdit,
  ModelHistory,
  ModelsDiff,
  ModelsPage,
  ModelsRequest,
  ModelTarget,
  ModelVersionRef,
  NewModel,
  Promoted,
  PromotionPreview,
  PromotionRequest,
  Registered,
  RegisterPreview,
  RegisterRequest,
  RegisterSource,
  RegistrySuggestRequest,
  RollbackRequest,
  RulesEdit,
  UndoPromotion,
  VersionDetail,
  VersionsPage,
  VersionsRequest,
  WebhookEdit,
  WebhookInfo,
  WebhookList,
  WebhookTrial,
} from './model-types'
import type { Changed, Suggestions } from './types'

const post = <T>(path: string, body: unknown, signal?: AbortSignal) =>
  json<T>(`/models${path}`, 'POST', body, signal)

export const modelsApi = {
  list: (request: ModelsRequest, signal?: AbortSignal) => post<ModelsPage>('/search', request, signal),
  model: (name: string) => json<ModelDetail>(`/models/one?name=${encodeURIComponent(name)}`),
  create: (request: NewModel) => post<ModelDetail>('/create', request),
  edit: (edit: ModelEdit) => post<ModelDetail>('/edit', edit),
  delete: (what: ModelDeletion) => post<Changed>('/delete', what),
  suggest: (request: RegistrySuggestRequest, signal?: AbortSignal) =>
    post<Suggestions>('/suggest', request, signal),
  versions: (request: VersionsRequest, signal?: AbortSignal) =>
    post<VersionsPage>('/versions', request, signal),
  version: ({ name, version }: ModelVersionRef) =>
    json<VersionDetail>(`/models/version?name=${encodeURIComponent(name)}&version=${version}`),
  verify: ({ name, version }: ModelVersionRef) =>
    json<FilesCheck>(`/models/version/files/check?name=${encodeURIComponent(name)}&version=${version}`),
  diff: (request: DiffRequest, signal?: AbortSignal) => post<ModelsDiff>('/diff', request, signal),
  history: (name: string, version: number | null, before: number | null) =>
    json<ModelHistory>(
      `/models/history?name=${encodeURIComponent(name)}` +
        (version === null ? '' : `&version=${version}`) +
        (before === null ? '' : `&before=${before}`),
    ),
  holders: (name: string, target: ModelTarget) => post<Holders>('/holders', { name, target }),
  preview: (request: PromotionRequest, signal?: AbortSignal) =>
    post<PromotionPreview>('/promotion/preview', request, signal),
  promote: (request: PromotionRequest) => post<Promoted>('/promote', request),
  undo: (request: UndoPromotion) => post<Promoted>('/undo', request),
  rollback: (request: RollbackRequest) => post<Promoted>('/rollback', request),
  removeAlias: (request: AliasRemoval) => post<Promoted>('/alias/remove', request),
  setRules: (request: RulesEdit) => post<ModelDetail>('/rules', request),
  previewRegister: (source: RegisterSource) => post<RegisterPreview>('/register/preview', source),
  register: (request: RegisterRequest) => post<Registered>('/register', request),
  lineage: (point: LineagePoint) => post<Lineage>('/lineage', point),
}

export const webhooksApi = {
  list: () => json<WebhookList>('/webhooks'),
  save: (edit: WebhookEdit) => json<WebhookInfo>('/webhooks', 'POST', edit),
  delete: (id: string) => json<Changed>('/webhooks/delete', 'POST', { id }),
  try: (id: string) => json<WebhookTrial>('/webhooks/try', 'POST', { id }),
  deliveries: (id: string, before: number | null) =>
    json<DeliveryList>(
      `/webhooks/deliveries?webhook=${encodeURIComponent(id)}${before === null ? '' : `&before=${before}`}`,
    ),
  again: (delivery: number) => json<DeliveryInfo>('/webhooks/deliveries/again', 'POST', { id: delivery }),
}
