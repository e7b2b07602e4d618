// One function per route of Slipway's own API. Every failure becomes an `ApiFailure` that can be shown.

import type {
  ApiError,
  ArtifactLink,
  ArtifactList,
  ArtifactLook,
  BulkDone,
  BulkRequest,
  Changed,
  ColumnList,
  CompareExport,
  CompareRequest,
  CompareTextRequest,
  Comparison,
  CurvesExport,
  Differing,
  ErrorCode,
  ExperimentList,
  FieldProblem,
  GcReport,
  Importance,
  ImportanceRequest,
  Groups,
  GroupsExport,
  GroupsRequest,
  Info,
  MediaKind,
  MediaList,
  LogList,
  LogMatches,
  LogPage,
  LogRequest,
  LogSearch,
  PreviewPage,
  PreviewRequest,
  PurgeReport,
  RunDetail,
  RunEdit,
  PictureRequest,
  ReportRequest,
  RunsExport,
  RunLineage,
  RunProblems,
  SeriesBatch,
  SeriesRequest,
  Span,
  Suggestions,
  SuggestRequest,
  Table,
  TextDiff,
  TableRequest,
  TrashIds,
  TrashList,
  TrashSelection,
  TrashWork,
  UndoList,
  SavedView,
  View,
  ViewList,
  ViewName,
  ViewProject,
  ViewSave,
} from './types'
import { decodeMatrix, type Matrix } from './matrix'
import { decodeSeries, FrameReader, SeriesFormatError, type SeriesEntry } from './series'
import { session } from './session.svelte'

const PREFIX = '/api/slipway/v1'

export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: ErrorCode | 'unreachable',
    message: string,
    readonly hint?: string,
    readonly span?: Span,
    /** What is wrong with single fields of a form. */
    readonly fields: FieldProblem[] = [],
  ) {
    super(message)
  }
}

/** What to tell the user about anything that was thrown. */
export function describe(error: unknown): { message: string; hint?: string } {
  if (error instanceof ApiFailure) return { message: error.message, hint: error.hint }
  return { message: error instanceof Error ? error.message : String(error) }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

export function authorization(): Record<string, string> {
  return session.token ? { Authorization: `Bearer ${session.token}` } : {}
}

/** What became of one of several charts. */
export type SeriesAnswer = SeriesEntry[] | Error

async function failure(response: Response): Promise<ApiFailure> {
  if (response.status === 401) session.refuse()
  let body: Partial<ApiError> = {}
  try {
    body = (await response.json()) as Partial<ApiError>
  } catch {
    // The body is not ours, e.g. a proxy's page: the status has to do.
  }
  return new ApiFailure(
    response.status,
    body.code ?? 'internal',
    body.message ?? `The server answered ${response.status} ${response.statusText}.`,
    body.hint ?? undefined,
    body.span ?? undefined,
    body.fields ?? [],
  )
}

/** An error that came within an answer. */
function refused(body: ArrayBuffer): ApiFailure {
  const error = JSON.parse(new TextDecoder().decode(body)) as ApiError
  return new ApiFailure(400, error.code, error.message, error.hint ?? undefined, error.span ?? undefined)
}

export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(PREFIX + path, {
      ...init,
      headers: { ...authorization(), ...init.headers },
      cache: 'no-store',
    })
  } catch (error) {
    if (isAbort(error)) throw error
    throw new ApiFailure(
      0,
      'unreachable',
      'Slipway does not answer.',
      'The program may have been stopped. Start it again with `slipway serve`.',
    )
  }
  if (!response.ok) throw await failure(response)
  return response
}

export async function json<T>(
  path: string,
  method = 'GET',
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const init: RequestInit = { method, signal }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { 'Content-Type': 'application/json' }
  }
  const response = await send(path, init)
  return (await response.json()) as T
}

async function file(path: string, body: unknown): Promise<Blob> {
  const response = await send(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  })
  return response.blob()
}

const columnsPath = (experimentIds: string[], view: View) =>
  `/columns?experiment_ids=${experimentIds.map(encodeURIComponent).join(',')}&view=${view}`
const runPath = (runId: string) => `/runs/${encodeURIComponent(runId)}`

export const api = {
  info: () => json<Info>('/info'),

  experiments: (view: View = 'active') => json<ExperimentList>(`/experiments?view=${view}`),

  table: (request: TableRequest, signal?: AbortSignal) => json<Table>('/runs/table', 'POST', request, signal),
  groups: (request: GroupsRequest, signal?: AbortSignal) =>
    json<Groups>('/runs/groups', 'POST', request, signal),
  differing: (request: TableRequest, signal?: AbortSignal) =>
    json<Differing>('/runs/differing', 'POST', request, signal),
  suggest: (request: SuggestRequest, signal?: AbortSignal) =>
    json<Suggestions>('/runs/suggest', 'POST', request, signal),
  bulk: (request: BulkRequest) => json<BulkDone>('/runs/bulk', 'POST', request),
  undos: () => json<UndoList>('/runs/bulk/undo'),
  undoBulk: (undo: string) => json<Changed>('/runs/bulk/undo', 'POST', { undo }),

  columns: (experimentIds: string[], view: View) => json<ColumnList>(columnsPath(experimentIds, view)),
  /** The same as it came, for those who want to know whether anything changed. */
  columnsText: async (experimentIds: string[], view: View) =>
    (await send(columnsPath(experimentIds, view))).text(),

  compare: (request: CompareRequest, signal?: AbortSignal) =>
    json<Comparison>('/runs/compare', 'POST', request, signal),

  views: () => json<ViewList>('/views'),
  saveView: (request: ViewSave) => json<SavedView>('/views', 'PUT', request),
  deleteView: (request: ViewName) => json<ViewList>('/views/delete', 'POST', request),
  viewProject: (request: ViewProject) => json<ViewList>('/views/projects', 'POST', request),

  /** A file, written by the server: every row, at full resolution. */
  exportRuns: (request: RunsExport) => file('/export/runs', request),
  exportCurves: (request: CurvesExport) => file('/export/curves', request),
  /** A chart as it is on screen, drawn by the server. */
  exportChart: (request: PictureRequest) => file('/export/chart', request),
  exportGroups: (request: GroupsExport) => file('/export/groups', request),
  exportReport: (request: ReportRequest) => file('/export/report', request),
  exportCompare: (request: CompareExport) => file('/export/compare', request),

  compareText: (request: CompareTextRequest) => json<TextDiff>('/runs/compare/text', 'POST', request),

  run: (runId: string) => json<RunDetail>(runPath(runId)),

  editRun: (runId: string, edit: RunEdit) => json<RunDetail>(runPath(runId), 'PATCH', edit),

  deleteRuns: (runIds: string[]) => json<Changed>('/runs/delete', 'POST', { run_ids: runIds }),

  restoreRuns: (runIds: string[]) => json<Changed>('/runs/restore', 'POST', { run_ids: runIds }),

  /** Values of columns for many runs at once. */
  async matrix(request: TableRequest, signal?: AbortSignal): Promise<Matrix> {
    const response = await send('/runs/matrix', {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'Content-Type': 'application/json' },
      signal,
    })
    return decodeMatrix(await response.arrayBuffer())
  },

  media: (runIds: string[], kind: MediaKind, signal?: AbortSignal) =>
    json<MediaList>('/runs/media', 'POST', { run_ids: runIds, kind }, signal),

  importance: (request: ImportanceRequest, signal?: AbortSignal) =>
    json<Importance>('/runs/importance', 'POST', request, signal),

  async series(request: SeriesRequest, signal?: AbortSignal): Promise<SeriesEntry[]> {
    const response = await send('/series', {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'Content-Type': 'application/json' },
      signal,
    })
    return decodeSeries(await response.arrayBuffer())
  },

  /** Several charts at once; `take` gets each answer when it is there, and first pictures before, if they are wanted. */
  async seriesBatch(
    batch: SeriesBatch,
    take: (index: number, answer: SeriesAnswer, first: boolean) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const response = await send('/series/batch', {
      method: 'POST',
      body: JSON.stringify(batch),
      headers: { 'Content-Type': 'application/json' },
      signal,
    })
    const pieces = response.body?.getReader()
    if (!pieces) throw new SeriesFormatError('the answer has no body')
    const frames = new FrameReader()
    for (;;) {
      const { done, value } = await pieces.read()
      if (done) break
      for (const frame of frames.push(value))
        take(frame.request, frame.failed ? refused(frame.body) : decodeSeries(frame.body), frame.first)
    }
    if (!frames.complete) throw new SeriesFormatError('the answer ends within a chart')
  },

  artifacts: (runId: string, path: string, offset = 0, limit?: number) =>
    json<ArtifactList>(
      `${runPath(runId)}/artifacts?path=${encodeURIComponent(path)}&offset=${offset}` +
        (limit === undefined ? '' : `&limit=${limit}`),
    ),

  /** What a file is, by its first bytes. */
  lookAtArtifact: (runId: string, path: string) =>
    json<ArtifactLook>(`${runPath(runId)}/artifacts/look?path=${encodeURIComponent(path)}`),

  /** Rows of a table in a file. */
  preview: (runId: string, request: PreviewRequest, signal?: AbortSignal) =>
    json<PreviewPage>(`${runPath(runId)}/preview`, 'POST', request, signal),

  /** Bytes `from..to` of an artifact; fewer at its end. */
  async artifactRange(runId: string, path: string, from: number, to: number): Promise<ArrayBuffer> {
    const response = await send(`${runPath(runId)}/artifacts/content?path=${encodeURIComponent(path)}`, {
      headers: { Range: `bytes=${from}-${to - 1}` },
    })
    return response.arrayBuffer()
  },

  archiveLink: (runId: string, path: string) =>
    json<ArtifactLink>('/artifacts/archive', 'POST', { run_id: runId, path }),

  problems: (runId: string) => json<RunProblems>(`${runPath(runId)}/problems`),

  lineage: (runId: string) => json<RunLineage>(`${runPath(runId)}/lineage`),

  logs: (runId: string) => json<LogList>(`${runPath(runId)}/logs`),

  log: (runId: string, request: LogRequest) => json<LogPage>(`${runPath(runId)}/log`, 'POST', request),

  searchLog: (runId: string, request: LogSearch, signal?: AbortSignal) =>
    json<LogMatches>(`${runPath(runId)}/log/search`, 'POST', request, signal),

  /** Bytes of an artifact, at most `limit` of them. */
  async artifactBytes(
    runId: string,
    path: string,
    limit?: number,
  ): Promise<{ bytes: ArrayBuffer; truncated: boolean }> {
    const headers: Record<string, string> = limit ? { Range: `bytes=0-${limit - 1}` } : {}
    const response = await send(`${runPath(runId)}/artifacts/content?path=${encodeURIComponent(path)}`, {
      headers,
    })
    const bytes = await response.arrayBuffer()
    const total = Number(
      /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1] ?? bytes.byteLength,
    )
    if (limit && bytes.byteLength > limit) return { bytes: bytes.slice(0, limit), truncated: true }
    return { bytes, truncated: total > bytes.byteLength }
  },

  artifactLink: (runId: string, path: string) =>
    json<ArtifactLink>('/artifacts/link', 'POST', { run_id: runId, path }),

  trash: (offset: number, limit: number, sizes: boolean) =>
    json<TrashList>(`/trash?offset=${offset}&limit=${limit}&sizes=${sizes}`),

  previewPurge: (selection: TrashSelection) => json<PurgeReport>('/trash/preview', 'POST', selection),

  purge: (selection: TrashSelection) => json<TrashWork>('/trash/purge', 'POST', selection),

  restoreTrash: (ids: TrashIds) => json<Changed>('/trash/restore', 'POST', ids),

  /** How far work on the trash is, after waiting for its end for a while. */
  trashWork: (waitMs: number) => json<TrashWork>(`/trash/work?wait_ms=${waitMs}`),

  previewGc: () => json<GcReport>('/gc/preview', 'POST', {}),

  gc: () => json<TrashWork>('/gc', 'POST', {}),

  /** Opens the event stream after the given event. */
  events: (after: string | null, signal: AbortSignal) =>
    send('/events', {
      signal,
      headers: { Accept: 'text/event-stream', ...(after ? { 'Last-Event-ID': after } : {}) },
    }),
}
