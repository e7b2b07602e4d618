//! The files of saved views. Nothing is written but `*.yaml` in `views` of the data folder and in `.slipway/views` of
//! project folders that somebody named, whole or not at all; links are never followed out of them.

use crate::app::wire::{SavedView, ViewList, ViewName, ViewProject, ViewSave};
use crate::error::{ApiFailure, ApiResult};
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The schema of the files that this program writes.
const VERSION: u64 = 1;
const MAX_NAME_CHARS: usize = 120;
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_VIEWS: usize = 1000;
const MAX_PROJECTS: usize = 100;

/// Where views are kept.
pub(super) struct Folders {
    data_dir: PathBuf,
}

impl Folders {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self { data_dir }
    }

    pub(super) fn list(&self) -> ApiResult<ViewList> {
        let projects = self.projects()?;
        let mut views = read_folder(&self.data_dir.join("views"), None)?;
        for project in &projects {
            // A folder that is gone for now keeps its place in the list.
            if let Ok(folder) = views_folder(project) {
                views.extend(read_folder(&folder, Some(project))?);
            }
        }
        views.sort_by(|a, b| (a.name.to_lowercase(), &a.project).cmp(&(b.name.to_lowercase(), &b.project)));
        Ok(ViewList { views, projects })
    }

    pub(super) fn save(&self, request: ViewSave) -> ApiResult<SavedView> {
        let name = request.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(ApiFailure::invalid(format!(
                "{name:?} cannot be the name of a view: it has 1 to {MAX_NAME_CHARS} characters, none of them for control"
            )));
        }
        let folder = self.folder(request.project.as_deref())?;
        std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        // Made just now or before: it must be where it seems to be.
        if let Some(project) = &request.project {
            views_folder(project)?;
        }
        let present = read_folder(&folder, request.project.as_deref())?;
        let old = present.iter().find(|view| view.name == name);
        match (old, &request.revision) {
            (Some(_), None) => {
                return Err(ApiFailure::invalid(format!("a view is called {name:?} already"))
                    .hint("Choose another name, or open that view and save it."));
            }
            (Some(old), Some(revision)) if old.revision != *revision => {
                return Err(ApiFailure::invalid(format!(
                    "the file of {name:?} was changed since it was opened: {}",
                    old.file
                ))
                .hint("Reset to the saved view to see what it says now, or save under another name."));
            }
            _ => {}
        }
        if old.is_none() && present.len() >= MAX_VIEWS {
            return Err(ApiFailure::invalid(format!("a folder keeps at most {MAX_VIEWS} views")));
        }
        let path = match old {
            Some(old) => PathBuf::from(&old.file),
            None => free_path(&folder, name),
        };
        // What a newer program or a person added stays.
        let mut document = Map::new();
        document.insert("version".to_owned(), Value::from(VERSION));
        document.insert("name".to_owned(), Value::from(name));
        document.extend(request.document.into_iter().filter(|(key, _)| key != "version" && key != "name"));
        let yaml = serde_norway::to_string(&document)
            .map_err(|error| ApiFailure::invalid(format!("the view cannot be written as YAML: {error}")))?;
        if yaml.len() as u64 > MAX_FILE_BYTES {
            return Err(ApiFailure::invalid(format!("a view has at most {MAX_FILE_BYTES} bytes")));
        }
        write_whole(&path, &folder, &yaml).map_err(|error| unwritable(&path, &error))?;
        read_view(&path, request.project.as_deref())
            .ok_or_else(|| ApiFailure::internal(format!("the view in {} is gone again", path.display())))
    }

    pub(super) fn delete(&self, view: &ViewName) -> ApiResult<()> {
        let folder = self.folder(view.project.as_deref())?;
        let found =
            read_folder(&folder, view.project.as_deref())?.into_iter().find(|found| found.name == view.name);
        let Some(found) = found else {
            return Err(ApiFailure::not_found(format!("no view is called {:?}", view.name)));
        };
        std::fs::remove_file(&found.file).map_err(|error| unwritable(Path::new(&found.file), &error))
    }

    pub(super) fn set_project(&self, request: &ViewProject) -> ApiResult<()> {
        let mut projects = self.projects()?;
        if request.forget {
            projects.retain(|project| *project != request.path);
        } else {
            let wrong = |what: &str| {
                Err(ApiFailure::invalid(format!("`{}` {what}", request.path))
                    .hint("Name the folder of a project by its whole path."))
            };
            let path = Path::new(&request.path);
            if !path.is_absolute() {
                return wrong("is no absolute path");
            }
            let Ok(resolved) = path.canonicalize() else { return wrong("is not there") };
            if !resolved.is_dir() {
                return wrong("is no folder");
            }
            let Some(resolved) = resolved.to_str().map(str::to_owned) else {
                return wrong("is not valid Unicode");
            };
            views_folder(&resolved)?;
            if projects.len() >= MAX_PROJECTS {
                return Err(ApiFailure::invalid(format!(
                    "at most {MAX_PROJECTS} project folders are remembered"
                )));
            }
            if !projects.contains(&resolved) {
                projects.push(resolved);
            }
        }
        let path = self.projects_file();
        let json = serde_json::to_string_pretty(&projects)
            .map_err(|error| ApiFailure::internal(error.to_string()))?;
        write_whole(&path, &self.data_dir, &json).map_err(|error| unwritable(&path, &error))
    }

    fn projects_file(&self) -> PathBuf {
        self.data_dir.join("view-projects.json")
    }

    fn projects(&self) -> ApiResult<Vec<String>> {
        match std::fs::read(self.projects_file()) {
            // A damaged list is an empty one: the folders can be named again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(ApiFailure::internal(format!("the list of projects cannot be read: {error}"))),
        }
    }

    fn folder(&self, project: Option<&str>) -> ApiResult<PathBuf> {
        let Some(project) = project else { return Ok(self.data_dir.join("views")) };
        if !self.projects()?.iter().any(|known| known == project) {
            return Err(ApiFailure::invalid(format!("`{project}` is not among the project folders"))
                .hint("Add it to them first."));
        }
        views_folder(project)
    }
}

/// The folder of a project's views, there or not. Refused when a link leads out of the project.
fn views_folder(project: &str) -> ApiResult<PathBuf> {
    let project = Path::new(project);
    let slipway = project.join(".slipway");
    let folder = slipway.join("views");
    for part in [&slipway, &folder] {
        match std::fs::symlink_metadata(part) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                return Err(ApiFailure::invalid(format!(
                    "`{}` is a link or a file, not a folder",
                    part.display()
                ))
                .hint("Views are only written below a project's own `.slipway/views`."));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(unwritable(part, &error)),
        }
    }
    Ok(folder)
}

fn unwritable(path: &Path, error: &std::io::Error) -> ApiFailure {
    ApiFailure::invalid(format!("`{}` cannot be written: {error}", path.display()))
        .hint("Check the permissions of the folder.")
}

fn write_whole(path: &Path, folder: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".slipway-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn read_folder(folder: &Path, project: Option<&str>) -> ApiResult<Vec<SavedView>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(ApiFailure::internal(format!("`{}` cannot be read: {error}", folder.display())));
        }
    };
    let is_view = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_view).collect();
    paths.sort();
    let mut views: Vec<SavedView> = Vec::new();
    for view in paths.iter().take(MAX_VIEWS).filter_map(|path| read_view(path, project)) {
        // A copied file says the same name twice; its own name tells it apart.
        let taken = views.iter().any(|other| other.name == view.name);
        let name = if taken {
            format!("{} ({})", view.name, stem(Path::new(&view.file)))
        } else {
            view.name.clone()
        };
        views.push(SavedView { name, ..view });
    }
    Ok(views)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// None when the file is gone, or is no plain file.
fn read_view(path: &Path, project: Option<&str>) -> Option<SavedView> {
    let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let updated = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let bytes = if meta.len() > MAX_FILE_BYTES {
        Err(format!("the file has more than {MAX_FILE_BYTES} bytes"))
    } else {
        std::fs::read(path).map_err(|error| error.to_string())
    };
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let parsed = bytes.and_then(|bytes| parse(&bytes));
    let (document, problem) = match parsed {
        Ok(document) => (Some(document), None),
        Err(problem) => (None, Some(problem)),
    };
    let said = document.as_ref().and_then(|document| document.get("name")).and_then(Value::as_str);
    Some(SavedView {
        name: said.map_or_else(|| stem(path), str::to_owned),
        project: project.map(str::to_owned),
        file: path.to_string_lossy().into_owned(),
        updated_ms: i64::try_from(updated.as_millis()).unwrap_or_default(),
        revision: format!("{:016x}", hasher.finish()),
        document,
        problem,
    })
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let document: Map<String, Value> = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    match document.get("version") {
        None => Err("the file has no `version`; this program knows version 1".to_owned()),
        Some(version) if version.as_u64() == Some(VERSION) => Ok(document),
        Some(version) => Err(format!("the file has version {version}; this program knows version {VERSION}")),
    }
}

/// A file name for a view that no other file has.
fn free_path(folder: &Path, name: &str) -> PathBuf {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(60).collect();
    let plain = if plain.is_empty() { "view".to_owned() } else { plain };
    (1_u64..)
        .map(|n| folder.join(if n == 1 { format!("{plain}.yaml") } else { format!("{plain}-{n}.yaml") }))
        .find(|path| std::fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| folder.join(format!("{plain}.yaml")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn saved(name: &str, project: Option<&str>, document: Value, revision: Option<&str>) -> ViewSave {
        ViewSave {
            name: name.to_owned(),
            project: project.map(str::to_owned),
            document: document.as_object().unwrap().clone(),
            revision: revision.map(str::to_owned),
        }
    }

    struct Bench {
        folder: tempfile::TempDir,
        folders: Folders,
        project: String,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        std::fs::create_dir(&project).unwrap();
        let folders = Folders::new(folder.path().to_owned());
        let project = project.canonicalize().unwrap().to_str().unwrap().to_owned();
        folders.set_project(&ViewProject { path: project.clone(), forget: false }).unwrap();
        Bench { folder, folders, project }
    }

    #[test]
    fn what_is_saved_is_read_back_and_reads_well() {
        let bench = bench();
        let document =
            json!({"filter": "metrics.loss < 0.3", "columns": [{"metric": "a: b\n#"}], "later": {"x": null}});
        let view = bench
            .folders
            .save(saved("Seeds, val only", Some(&bench.project), document.clone(), None))
            .unwrap();
        assert!(view.file.ends_with("project/.slipway/views/Seeds--val-only.yaml"), "{}", view.file);
        let text = std::fs::read_to_string(&view.file).unwrap();
        assert!(
            text.starts_with("version: 1\nname: Seeds, val only\nfilter: metrics.loss < 0.3\n"),
            "{text}"
        );
        let found = bench.folders.list().unwrap().views.remove(0);
        let mut expected = json!({"version": 1, "name": "Seeds, val only"}).as_object().unwrap().clone();
        expected.extend(document.as_object().unwrap().clone());
        assert_eq!(found.document.unwrap(), expected);
    }

    #[test]
    fn nobody_overwrites_what_he_has_not_seen() {
        let bench = bench();
        let first = bench.folders.save(saved("a", None, json!({"filter": "1"}), None)).unwrap();
        assert!(bench.folders.save(saved("a", None, json!({}), None)).is_err(), "the name is taken");
        let second =
            bench.folders.save(saved("a", None, json!({"filter": "2"}), Some(&first.revision))).unwrap();
        assert!(bench.folders.save(saved("a", None, json!({}), Some(&first.revision))).is_err());
        assert_eq!(bench.folders.list().unwrap().views[0].revision, second.revision);
    }

    #[test]
    fn a_broken_file_is_shown_and_kept() {
        let bench = bench();
        let folder = bench.folder.path().join("views");
        std::fs::create_dir(&folder).unwrap();
        for (file, text) in
            [("a.yaml", "version: 1\nfilter: [unclosed\n"), ("b.yml", "version: 7\n"), ("c.yaml", "\u{0}")]
        {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let views = bench.folders.list().unwrap().views;
        assert_eq!(views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(views.iter().all(|view| view.problem.is_some() && view.document.is_none()));
        assert!(views[0].problem.as_ref().unwrap().contains("line"), "{:?}", views[0].problem);
        assert!(std::fs::read_to_string(folder.join("a.yaml")).unwrap().contains("unclosed"));
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let bench = bench();
        let outside = bench.folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        for name in ["../../evil", "/etc/passwd", "..", ".hidden", "a/b\\c"] {
            let view = bench.folders.save(saved(name, Some(&bench.project), json!({}), None)).unwrap();
            assert_eq!(
                Path::new(&view.file).parent().unwrap(),
                Path::new(&bench.project).join(".slipway/views")
            );
            bench
                .folders
                .delete(&ViewName { name: name.to_owned(), project: Some(bench.project.clone()) })
                .unwrap();
        }
        for name in ["", " ", "a\nb", &"a".repeat(121)] {
            assert!(bench.folders.save(saved(name, None, json!({}), None)).is_err(), "{name:?}");
        }
        // A link in the place of the folder.
        std::fs::remove_dir(Path::new(&bench.project).join(".slipway/views")).unwrap();
        std::os::unix::fs::symlink(&outside, Path::new(&bench.project).join(".slipway/views")).unwrap();
        assert!(bench.folders.save(saved("a", Some(&bench.project), json!({}), None)).is_err());
        assert!(
            bench.folders.save(saved("a", Some("/tmp"), json!({}), None)).is_err(),
            "not a known project"
        );
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        for path in ["relative", "/is/not/there"] {
            assert!(
                bench.folders.set_project(&ViewProject { path: path.to_owned(), forget: false }).is_err()
            );
        }
    }

    #[test]
    fn projects_are_remembered_once_and_forgotten() {
        let bench = bench();
        bench.folders.set_project(&ViewProject { path: bench.project.clone(), forget: false }).unwrap();
        assert_eq!(bench.folders.list().unwrap().projects, std::slice::from_ref(&bench.project));
        bench.folders.set_project(&ViewProject { path: bench.project.clone(), forget: true }).unwrap();
        assert!(bench.folders.list().unwrap().projects.is_empty());
    }
}
