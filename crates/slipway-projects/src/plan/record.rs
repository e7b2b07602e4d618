//! What a run keeps about how it was started.

use super::{PlanError, RunPlan, RunRequest, steps};
use crate::env::Recipe;
use crate::git::Revision;
use serde::{Deserialize, Serialize};
use slipway_jobs::spec::Files;
use std::path::Path;

/// Everything that is needed to run something again exactly, together with the patch of the same run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRecord {
    /// The folder or address, without credentials.
    pub project: String,
    /// As it was asked for, so that it can be asked for again with other values.
    pub request: Option<RunRequest>,
    /// The commit; with an empty one, the patch holds all files.
    pub revision: Option<Revision>,
    /// There is a patch, with this SHA-256.
    pub patch_sha256: Option<String>,
    /// The entry point or script.
    pub entry_point: String,
    /// As they were recorded with the run.
    pub parameters: Vec<(String, String)>,
    /// The line for the shell; absent when `argv` is run without one.
    pub line: Option<String>,
    /// The words that are run.
    pub argv: Vec<String>,
    /// What is fetched before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Files>,
    /// The program that runs containers, for a line that starts one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_engine: Option<std::path::PathBuf>,
    /// What the environment is made from; absent for the one that is there.
    pub environment: Option<Recipe>,
    /// Versions that were installed, once they are known.
    pub lock: Vec<String>,
    /// An environment of the machine that was used as it was.
    pub existing_environment: Option<std::path::PathBuf>,
}

impl RunRecord {
    /// Keeps the commit that the record speaks of, so that the folder may change or go. Says why it could not.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn keep_commit(&self, data_dir: &Path) -> Result<(), PlanError> {
        match &self.revision {
            Some(revision) => Ok(crate::git::keep(revision, data_dir)?),
            None => Ok(()),
        }
    }

    /// A plan that runs the same again: a clean copy of the commit, the patch on top, the versions of the lock.
    ///
    /// # Errors
    /// When the record says too little.
    pub fn plan_again(&self, patch: Option<&Path>, data_dir: &Path) -> Result<RunPlan, PlanError> {
        let revision = self.revision.clone().unwrap_or(Revision {
            repository: String::new(),
            commit: String::new(),
            branch: None,
            subfolder: String::new(),
        });
        if revision.commit.is_empty() && self.patch_sha256.is_none() {
            return Err(PlanError::Request(
                "the record holds neither a commit nor the files of the folder, so it cannot be run again exactly".to_owned(),
            ));
        }
        match (&self.patch_sha256, patch) {
            (Some(known), Some(file)) => {
                let bytes = std::fs::read(file).map_err(|error| {
                    PlanError::Request(format!("`{}` cannot be read: {error}", file.display()))
                })?;
                if crate::env::sha256(&bytes) != *known {
                    return Err(PlanError::Request(
                        "the patch is not the one that the run was started with".to_owned(),
                    ));
                }
            }
            (Some(_), None) => return Err(PlanError::Request("the run's patch is missing".to_owned())),
            (None, _) => {}
        }
        let mut environment = self.environment.clone();
        if let Some(recipe) = &mut environment
            && recipe.conda.is_none()
            && recipe.locked_project.is_none()
            && !self.lock.is_empty()
        {
            // A project of the folder that was installed from it is left as the recipe names it.
            let local = |line: &&String| line.starts_with("-e ") || line.starts_with('/');
            let own: Vec<String> = recipe.requirements.iter().filter(local).cloned().collect();
            let options = recipe.requirements.iter().filter(|line| line.starts_with("--")).cloned();
            let exact = self.lock.iter().filter(|line| !line.starts_with("-e ") && !line.contains("file://"));
            recipe.requirements = options.chain(exact.cloned()).chain(own).collect();
            recipe.constraints.clear();
        }
        steps::again(self, revision, patch, environment, data_dir)
    }
}
