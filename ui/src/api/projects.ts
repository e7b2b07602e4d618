// Calls about projects, their environments and what a folder contains. They stand apart since only their screens load
// them.

import { ApiFailure, json, send } from './client'
import type { JobSummary } from './job-types'
import type {
  EnvironmentDetail,
  EnvironmentList,
  EnvironmentsRemoved,
  ProjectDetail,
  ProjectJobRequest,
  ProjectList,
  ProjectPlan,
  ProjectRunRequest,
  RecordedProject,
  UploadBegun,
  UploadPublished,
  UploadedDeleted,
  UploadedFolders,
} from './project-types'
import type { Changed, InspectLine, InspectReport } from './types'

export const projectsApi = {
  list: () => json<ProjectList>('/projects'),

  /** Reads what it offers; `remember` adds it to the opened ones. */
  open: (project: string, version: string | null = null, remember = false) =>
    json<ProjectDetail>('/projects/open', 'POST', { project, version, remember }),

  close: (project: string) => json<ProjectList>('/projects/close', 'POST', { project }),

  plan: (request: ProjectRunRequest, signal?: AbortSignal) =>
    json<ProjectPlan>('/projects/plan', 'POST', request, signal),

  run: (request: ProjectJobRequest) => json<JobSummary>('/projects/run', 'POST', request),

  /** How a run was started; a failure with status 404 when it was not started from a project. */
  recorded: (runId: string) => json<RecordedProject>(`/projects/recorded/${encodeURIComponent(runId)}`),

  environments: () => json<EnvironmentList>('/environments'),

  environment: (id: string) => json<EnvironmentDetail>(`/environments/${encodeURIComponent(id)}`),

  makeEnvironment: (project: string, version: string | null, environment: string | null) =>
    json<JobSummary>('/environments/make', 'POST', { project, version, environment }),

  removeEnvironments: (ids: string[]) => json<EnvironmentsRemoved>('/environments/remove', 'POST', { ids }),

  inspect: (path: string) => json<InspectReport>('/inspect', 'POST', { path }),

  /** Says what a folder contains, and on the way how far the look is. */
  async watchInspect(
    path: string,
    look: string,
    tell: (line: Extract<InspectLine, { type: 'progress' }>) => void,
    signal: AbortSignal,
  ): Promise<InspectReport> {
    const response = await send('/inspect/watch', {
      method: 'POST',
      body: JSON.stringify({ path, look }),
      headers: { 'Content-Type': 'application/json' },
      signal,
    })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const part = await reader?.read()
      if (!part || part.done) throw new Error('The server stopped before it had looked at everything.')
      const lines = (rest + part.value).split('\n')
      rest = lines.pop() ?? ''
      for (const text of lines) {
        const line = JSON.parse(text) as InspectLine
        if (line.type === 'progress') tell(line)
        else if (line.type === 'report') return line
        else throw new ApiFailure(400, line.code, line.message, line.hint ?? undefined)
      }
    }
  },

  /** Begins to take a folder in. */
  beginUpload: (name: string, files: number, bytes: number) =>
    json<UploadBegun>('/uploads', 'POST', { name, files, bytes }),

  /** Sends one file of it, as it is. */
  putFile: async (id: string, path: string, file: Blob, signal: AbortSignal) => {
    await send(`/uploads/${id}/file?path=${encodeURIComponent(path)}`, {
      method: 'PUT',
      body: file,
      headers: { 'Content-Type': 'application/octet-stream' },
      signal,
    })
  },

  publishUpload: (id: string) => json<UploadPublished>(`/uploads/${id}/publish`, 'POST', {}),

  /** The folders that came from a browser. */
  uploaded: () => json<UploadedFolders>('/uploads'),

  deleteUploaded: (name: string) => json<UploadedDeleted>('/uploads/delete', 'POST', { name }),

  dropUpload: (id: string) => json<Changed>(`/uploads/${id}/drop`, 'POST', {}),

  stopInspect: (look: string) => json<Changed>('/inspect/stop', 'POST', { look }),
}
