-- Which runs read a logged model: asked for each version of a registered model.
CREATE INDEX run_model_inputs_by_model ON run_model_inputs (model_id, run);
