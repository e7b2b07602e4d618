// Code that loads a version, as it can be pasted. The address in it is the real one.

import type { ModelFlavor } from '../../api/model-types'

export interface LoadSnippet {
  name: string
  label: string
  code: string
}

/** Flavors that MLflow has a module of the same name for, with a `load_model` in it. */
const WITH_MODULE = new Set([
  'catboost',
  'diviner',
  'dspy',
  'h2o',
  'johnsnowlabs',
  'keras',
  'langchain',
  'lightgbm',
  'llama_index',
  'onnx',
  'paddle',
  'pmdarima',
  'prophet',
  'pyspark_ml',
  'pytorch',
  'sentence_transformers',
  'shap',
  'sklearn',
  'spacy',
  'spark',
  'statsmodels',
  'tensorflow',
  'transformers',
  'xgboost',
])

/** A text as a Python literal. */
export const pythonText = (text: string): string => JSON.stringify(text)

const inShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

export function loadSnippets(uri: string, flavors: ModelFlavor[], trackingUri: string): LoadSnippet[] {
  const head = (module: string) =>
    `import mlflow${module ? `.${module}` : ''}\n\nmlflow.set_tracking_uri(${pythonText(trackingUri)})\n`
  const names = flavors.map(({ name }) => name)
  const list: LoadSnippet[] = []
  if (names.length === 0 || names.includes('python_function')) {
    list.push({
      name: 'pyfunc',
      label: 'Python',
      code: `${head('')}model = mlflow.pyfunc.load_model(${pythonText(uri)})\nmodel.predict(data)`,
    })
  }
  for (const name of names) {
    if (!WITH_MODULE.has(name)) continue
    list.push({
      name,
      label: name,
      code: `${head(name)}model = mlflow.${name}.load_model(${pythonText(uri)})`,
    })
  }
  list.push(
    {
      name: 'files',
      label: 'Files only',
      code: `${head('artifacts')}folder = mlflow.artifacts.download_artifacts(${pythonText(uri)})`,
    },
    {
      name: 'shell',
      label: 'Shell',
      code: `export MLFLOW_TRACKING_URI=${inShell(trackingUri)}\nmlflow artifacts download -u ${inShell(uri)} -d model`,
    },
  )
  return list
}
