//! What a folder contains: recognises projects, tracked runs, notebooks, pipelines and environments without running anything.
