// The shapes of what the server says about jobs, under the names of its contract.

import type { components } from './schema'

type Schemas = components['schemas']

export type JobAttempt = Schemas['JobAttempt']
export type JobCommand = Schemas['JobCommand']
export type JobDetail = Schemas['JobDetail']
export type JobList = Schemas['JobList']
export type JobOrder = Schemas['JobOrder']
export type JobRequest = Schemas['JobRequest']
export type JobSpec = Schemas['JobSpec']
export type JobState = Schemas['JobState']
export type JobSummary = Schemas['JobSummary']
export type QueueSettings = Schemas['QueueSettings']
export type QueueStatus = Schemas['QueueStatus']
export type StateCount = Schemas['StateCount']
