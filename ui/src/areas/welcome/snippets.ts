// Code that works as it is: the address in it is the real one.

export interface Snippet {
  name: string
  label: string
  note: string
  code: string
}

export function snippets(trackingUri: string): Snippet[] {
  return [
    {
      name: 'run',
      label: 'Zero code',
      note: 'Runs any command, keeps its output, its git state and its exit code, and points MLflow in it to Slipway.',
      code: 'slipway run -- python train.py',
    },
    {
      name: 'mlflow',
      label: 'MLflow API',
      note: 'Your code stays as it is. Set the variable, or call set_tracking_uri.',
      code: `import mlflow

mlflow.set_tracking_uri("${trackingUri}")
mlflow.set_experiment("first-steps")

with mlflow.start_run():
    mlflow.log_param("lr", 3e-4)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (1 + step), step=step)`,
    },
    {
      name: 'shell',
      label: 'Environment',
      note: 'For scripts that already use MLflow.',
      code: `export MLFLOW_TRACKING_URI=${trackingUri}
python train.py`,
    },
    {
      name: 'curl',
      label: 'curl',
      note: 'Any language that can send JSON over HTTP.',
      code: `URI=${trackingUri}/api/2.0/mlflow
RUN=$(curl -s $URI/runs/create -H 'Content-Type: application/json' \\
  -d '{"experiment_id":"0","run_name":"from-curl"}' | sed -E 's/.*"run_id": ?"([^"]+)".*/\\1/')
curl -s $URI/runs/log-metric -H 'Content-Type: application/json' \\
  -d '{"run_id":"'$RUN'","key":"loss","value":0.5,"timestamp":'$(date +%s000)',"step":1}'`,
    },
  ]
}
