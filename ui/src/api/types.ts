// The shapes of Slipway's own API, under the names of the server's contract. They are made from its OpenAPI
// document (`npm run types`); nothing is written by hand but what that document cannot say.

import type { components } from './schema'

type Schemas = components['schemas']

export type ApiError = Schemas['ApiError']
export type ArtifactEntry = Schemas['ArtifactEntry']
export type ArtifactLink = Schemas['ArtifactLink']
export type ArtifactLook = Schemas['ArtifactLook']
export type ArtifactList = Schemas['ArtifactList']
export type CellValue = Schemas['CellValue']
export type Changed = Schemas['Changed']
export type ColumnInfo = Schemas['ColumnInfo']
export type ColumnKind = Schemas['ColumnKind']
export type ColumnList = Schemas['ColumnList']
export type ColumnRef = Schemas['ColumnRef']
export type ErrorCode = Schemas['ErrorCode']
export type Event = Schemas['Event']
export type Experiment = Schemas['Experiment']
export type ExperimentList = Schemas['ExperimentList']
export type Info = Schemas['Info']
export type GcReport = Schemas['GcReport']
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
export type PreviewRequest = Schemas['PreviewRequest']
export type PurgeReport = Schemas['PurgeReport']
export type Reduce = Schemas['Reduce']
export type RunDetail = Schemas['RunDetail']
export type RunEdit = Schemas['RunEdit']
export type RunLineage = Schemas['RunLineage']
export type RunLink = Schemas['RunLink']
export type RunProblems = Schemas['RunProblems']
export type RunState = Schemas['RunState']
export type SeriesRequest = Schemas['SeriesRequest']
export type SortKey = Schemas['SortKey']
export type Span = Schemas['Span']
export type TableRequest = Schemas['TableRequest']
export type TrashIds = Schemas['TrashIds']
export type TrashItem = Schemas['TrashItem']
export type TrashList = Schemas['TrashList']
export type TrashSelection = Schemas['TrashSelection']
export type TrashWork = Schemas['TrashWork']
export type View = Schemas['View']
export type XAxis = Schemas['XAxis']

/** A cell is null where the run has no such value. */
export type TableRow = Omit<Schemas['TableRow'], 'cells'> & { cells: (CellValue | null)[] }
export type Table = Omit<Schemas['Table'], 'rows'> & { rows: TableRow[] }

/** A cell is null where there is no value. */
export type PreviewPage = Omit<Schemas['PreviewPage'], 'rows'> & { rows: (string | null)[][] }
