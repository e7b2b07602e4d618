// The shapes of Slipway's own API, under the names of the server's contract. They are made from its OpenAPI
// document (`npm run types`); nothing is written by hand but what that document cannot say.

import type { components } from './schema'

type Schemas = components['schemas']

export type ApiError = Schemas['ApiError']
export type ArtifactEntry = Schemas['ArtifactEntry']
export type ArtifactLink = Schemas['ArtifactLink']
export type ArtifactLook = Schemas['ArtifactLook']
export type ArtifactList = Schemas['ArtifactList']
export type BulkAction = Schemas['BulkAction']
export type BulkTarget = Schemas['BulkTarget']
export type BulkRequest = Schemas['BulkRequest']
export type BulkDone = Schemas['BulkDone']
export type CellValue = Schemas['CellValue']
export type DiffLine = Schemas['DiffLine']
export type TextDiff = Schemas['TextDiff']
export type CompareTextRequest = Schemas['CompareTextRequest']
export type ComparedRun = Schemas['ComparedRun']
export type CompareSection = Schemas['CompareSection']
export type CompareRequest = Schemas['CompareRequest']
export type CompareCell = Schemas['CompareCell']
export type Changed = Schemas['Changed']
export type ColumnInfo = Schemas['ColumnInfo']
export type ColumnKind = Schemas['ColumnKind']
export type ColumnList = Schemas['ColumnList']
export type ColumnRef = Schemas['ColumnRef']
export type Differing = Schemas['Differing']
export type ErrorCode = Schemas['ErrorCode']
export type Event = Schemas['Event']
export type CompareExport = Schemas['CompareExport']
export type ExportFormat = Schemas['ExportFormat']
export type ChartLine = Schemas['ChartLine']
export type PictureFormat = Schemas['PictureFormat']
export type PictureRequest = Schemas['PictureRequest']
export type RunsExport = Schemas['RunsExport']
export type CurvesExport = Schemas['CurvesExport']
export type Experiment = Schemas['Experiment']
export type ExperimentList = Schemas['ExperimentList']
export type ColumnImportance = Schemas['ColumnImportance']
export type Importance = Schemas['Importance']
export type ImportanceRequest = Schemas['ImportanceRequest']
export type Info = Schemas['Info']
export type GcReport = Schemas['GcReport']
export type GroupAggregate = Schemas['GroupAggregate']
export type Group = Schemas['Group']
export type GroupCell = Schemas['GroupCell']
export type GroupKey = Schemas['GroupKey']
export type Groups = Schemas['Groups']
export type GroupSortKey = Schemas['GroupSortKey']
export type GroupsRequest = Schemas['GroupsRequest']
export type InspectItem = Schemas['InspectItem']
export type InspectKind = Schemas['InspectKind']
export type InspectReport = Schemas['InspectReport']
export type KeyValue = Schemas['KeyValue']
export type LogFile = Schemas['LogFile']
export type LogFind = Schemas['LogFind']
export type LogLine = Schemas['LogLine']
export type LogList = Schemas['LogList']
export type LogMatches = Schemas['LogMatches']
export type LogPage = Schemas['LogPage']
export type LogRequest = Schemas['LogRequest']
export type LogSearch = Schemas['LogSearch']
export type MetricSummary = Schemas['MetricSummary']
export type MediaItem = Schemas['MediaItem']
export type MediaKind = Schemas['MediaKind']
export type MediaList = Schemas['MediaList']
export type PreviewRequest = Schemas['PreviewRequest']
export type PurgeReport = Schemas['PurgeReport']
export type Reduce = Schemas['Reduce']
export type RunDetail = Schemas['RunDetail']
export type RunEdit = Schemas['RunEdit']
export type RunLineage = Schemas['RunLineage']
export type RunLink = Schemas['RunLink']
export type RunProblems = Schemas['RunProblems']
export type RunState = Schemas['RunState']
export type SeriesBatch = Schemas['SeriesBatch']
export type SeriesRequest = Schemas['SeriesRequest']
export type SortKey = Schemas['SortKey']
export type Span = Schemas['Span']
export type Suggestion = Schemas['Suggestion']
export type Suggestions = Schemas['Suggestions']
export type SuggestRequest = Schemas['SuggestRequest']
export type TableRequest = Schemas['TableRequest']
export type TrashIds = Schemas['TrashIds']
export type TrashItem = Schemas['TrashItem']
export type TrashList = Schemas['TrashList']
export type TrashSelection = Schemas['TrashSelection']
export type TrashWork = Schemas['TrashWork']
export type SavedView = Omit<Schemas['SavedView'], 'document'> & { document?: Record<string, unknown> | null }
export type ViewList = Omit<Schemas['ViewList'], 'views'> & { views: SavedView[] }
export type ViewSave = Omit<Schemas['ViewSave'], 'document'> & { document: Record<string, unknown> }
export type ViewName = Schemas['ViewName']
export type ViewProject = Schemas['ViewProject']
export type View = Schemas['View']
export type XAxis = Schemas['XAxis']

/** A cell is null where the run has no such value. */
export type TableRow = Omit<Schemas['TableRow'], 'cells'> & { cells: (CellValue | null)[] }

/** A cell is null where the run has no such value. */
export type CompareRow = Omit<Schemas['CompareRow'], 'cells' | 'base'> & {
  cells: (CompareCell | null)[]
  base: CompareCell | null
}
export type Comparison = Omit<Schemas['Comparison'], 'rows'> & { rows: CompareRow[] }
export type Table = Omit<Schemas['Table'], 'rows' | 'pinned'> & { rows: TableRow[]; pinned: TableRow[] }

/** A cell is null where there is no value. */
export type PreviewPage = Omit<Schemas['PreviewPage'], 'rows'> & { rows: (string | null)[][] }
