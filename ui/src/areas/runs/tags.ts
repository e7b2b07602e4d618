/** Tags that people set, as opposed to what clients note for themselves. */
export const isOwnTag = (key: string): boolean => !/^(mlflow|slipway)\./.test(key)
