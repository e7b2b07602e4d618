import type { InspectKind } from '../../api/types'

/** What each kind is called, one and many. */
export const KIND_WORDS: Record<InspectKind, [string, string]> = {
  ml_project: ['MLflow project', 'MLflow projects'],
  mlflow_file_store: ['mlruns folder', 'mlruns folders'],
  mlflow_database: ['MLflow database', 'MLflow databases'],
  tensor_board: ['TensorBoard log', 'TensorBoard logs'],
  wandb: ['W&B folder', 'W&B folders'],
  notebook: ['notebook', 'notebooks'],
  kfp_pipeline: ['pipeline', 'pipelines'],
  python_environment: ['Python project', 'Python projects'],
  requirements: ['requirements file', 'requirements files'],
  conda_environment: ['conda environment', 'conda environments'],
  dockerfile: ['Dockerfile', 'Dockerfiles'],
  model: ['model', 'models'],
  python_script: ['Python script', 'Python scripts'],
  table: ['table', 'tables'],
}

export function summarise(kinds: InspectKind[]): string {
  const counts = new Map<InspectKind, number>()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([kind, count]) => `${count} ${KIND_WORDS[kind][count === 1 ? 0 : 1]}`).join(', ')
}
