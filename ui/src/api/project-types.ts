// The shapes of what the server says about projects, under the names of its contract.

import type { components } from './schema'

type Schemas = components['schemas']

export type EntryParameter = Schemas['EntryParameter']
export type EnvironmentDetail = Schemas['EnvironmentDetail']
export type EnvironmentEntry = Schemas['EnvironmentEntry']
export type EnvironmentList = Schemas['EnvironmentList']
export type EnvironmentsRemoved = Schemas['EnvironmentsRemoved']
export type OpenProject = Schemas['OpenProject']
export type ProjectDetail = Schemas['ProjectDetail']
export type ProjectEnvironment = Schemas['ProjectEnvironment']
export type ProjectJobRequest = Schemas['ProjectJobRequest']
export type ProjectList = Schemas['ProjectList']
export type ProjectPlan = Schemas['ProjectPlan']
export type ProjectRunRequest = Schemas['ProjectRunRequest']
export type ProjectScript = Schemas['ProjectScript']
export type RecordedProject = Schemas['RecordedProject']
export type ScriptParameter = Schemas['ScriptParameter']
export type UploadBegun = Schemas['UploadBegun']
export type UploadPublished = Schemas['UploadPublished']
export type UploadedDeleted = Schemas['UploadedDeleted']
export type UploadedFolder = Schemas['UploadedFolder']
export type UploadedFolders = Schemas['UploadedFolders']
