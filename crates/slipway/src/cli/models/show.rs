//! What is registered: the list, a model, a version.

use super::names::{stage, value, version_of};
use super::rules::rule_text;
use super::{print_json, print_table};
use crate::cli::client::{Api, escaped};
use crate::cli::trash::report::bytes;
use crate::cli::{Result, output};
use clap::Args;
use slipway_server::app::wire::{
    FilesCheck, ModelDetail, ModelRow, ModelsPage, ModelsRequest, VersionDetail, VersionsPage,
    VersionsRequest,
};
use std::io::{BufWriter, Write};

const PAGE: u64 = 200;

#[derive(Args)]
pub(crate) struct List {
    /// The registry's filter language: `alias = 'champion'`, `tags.team = 'risk'`, `metrics.auc > 0.9`.
    #[arg(short, long, default_value = "", hide_default_value = true)]
    filter: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Show {
    /// A model `NAME`, or a version: `NAME/3`, `NAME@champion`.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Whether the files of the version are what they were; reads all of them.
    #[arg(long)]
    check_files: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(api: &Api, arguments: &List) -> Result<()> {
    let mut models: Vec<ModelRow> = Vec::new();
    let total = loop {
        let request = ModelsRequest {
            filter: arguments.filter.clone(),
            offset: models.len() as u64,
            limit: Some(PAGE),
            ..ModelsRequest::default()
        };
        let page: ModelsPage = api.post_filter("/models/search", &request, &arguments.filter)?;
        let got = page.models.len() as u64;
        models.extend(page.models);
        if got < PAGE {
            break page.total;
        }
    };
    if arguments.json {
        return print_json(&ModelsPage { models, total });
    }
    let rows = models.iter().map(|model| {
        let aliases = model.aliases.iter().map(|held| format!("@{} v{}", held.alias, held.version));
        let stages = model.stages.iter().map(|held| format!("{} v{}", stage(held.stage), held.version));
        let best = model.best.as_ref();
        vec![
            output::clean(&model.name),
            model.latest_version.map(|version| format!("v{version}")).unwrap_or_default(),
            output::clean(&aliases.chain(stages).collect::<Vec<_>>().join(" ")),
            best.map(|best| output::clean(&format!("{} {} v{}", best.metric.key, best.value, best.version)))
                .unwrap_or_default(),
            model.size_bytes.map(bytes).unwrap_or_default(),
        ]
    });
    let head = ["NAME", "LATEST", "HELD BY", "BEST", "SIZE"];
    print_table(&head, rows.collect(), &[false, false, false, false, true])
}

pub(super) fn show(api: &Api, arguments: &Show) -> Result<()> {
    let Some(version) = version_of(api, &arguments.model)? else {
        let detail: ModelDetail = api.get(&format!("/models/one?name={}", escaped(&arguments.model)))?;
        if arguments.json {
            return print_json(&detail);
        }
        return show_model(api, &detail);
    };
    let query = format!("name={}&version={}", escaped(&version.name), version.version);
    if arguments.check_files {
        let checked: FilesCheck = api.get(&format!("/models/version/files/check?{query}"))?;
        if arguments.json {
            return print_json(&checked);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", output::clean(&checked.summary))?;
        for change in checked.changes {
            writeln!(out, "  {:?}: {}", change.change, output::clean(&change.path))?;
        }
        return Ok(());
    }
    let detail: VersionDetail = api.get(&format!("/models/version?{query}"))?;
    if arguments.json {
        return print_json(&detail);
    }
    show_version(&detail)
}

fn show_model(api: &Api, detail: &ModelDetail) -> Result<()> {
    let request = VersionsRequest { name: detail.model.name.clone(), ..VersionsRequest::default() };
    let page: VersionsPage = api.post("/models/versions", &request)?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}, {} versions", output::clean(&detail.model.name), detail.model.version_count)?;
        if let Some(description) = &detail.model.description {
            writeln!(out, "{}", output::clean(description))?;
        }
        for rule in &detail.rules {
            writeln!(out, "rule: {}", output::clean(&rule_text(rule)))?;
        }
    }
    let rows = page.versions.iter().map(|version| {
        vec![
            format!("v{}", version.version),
            stage(version.stage).to_owned(),
            output::clean(&version.aliases.join(" ")),
            output::time(version.created_ms),
            output::clean(version.run_id.as_deref().unwrap_or_default()),
            version.size_bytes.map(bytes).unwrap_or_default(),
        ]
    });
    let head = ["VERSION", "STAGE", "ALIASES", "MADE", "RUN", "SIZE"];
    print_table(&head, rows.collect(), &[false, false, false, false, false, true])
}

fn show_version(detail: &VersionDetail) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let version = &detail.version;
    let held: Vec<String> = version.aliases.iter().map(|alias| format!("@{alias}")).collect();
    writeln!(
        out,
        "{} v{}  {}  {}",
        output::clean(&version.name),
        version.version,
        stage(version.stage),
        output::clean(&held.join(" "))
    )?;
    writeln!(out, "from    {}", output::clean(&detail.source))?;
    if let Some(run) = &detail.run {
        let commit = run.git_commit.as_deref().unwrap_or_default();
        writeln!(
            out,
            "run     {} {} {}",
            output::clean(&run.name),
            output::clean(&run.run_id),
            output::clean(commit)
        )?;
    }
    match &detail.files.problem {
        Some(problem) => writeln!(out, "files   {}", output::clean(problem))?,
        None => writeln!(out, "files   {}, {}", detail.files.count, bytes(detail.files.size_bytes))?,
    }
    for warning in &detail.warnings {
        writeln!(out, "warning {}", output::clean(warning))?;
    }
    if let Some(card) = &detail.card {
        let names: Vec<&str> = card.flavors.iter().map(|flavor| flavor.name.as_str()).collect();
        writeln!(out, "flavors {}", output::clean(&names.join(", ")))?;
        for (what, fields) in [
            ("input", card.signature.as_ref().and_then(|it| it.inputs.as_ref())),
            ("output", card.signature.as_ref().and_then(|it| it.outputs.as_ref())),
        ] {
            for field in fields.into_iter().flatten() {
                writeln!(out, "{what:<7} {} {}", output::clean(&field.name), output::clean(&field.r#type))?;
            }
        }
    }
    for metric in &detail.metrics {
        let dataset =
            metric.metric.dataset.as_deref().map(|dataset| format!(" on {dataset}")).unwrap_or_default();
        writeln!(
            out,
            "metric  {}{} {}",
            output::clean(&metric.metric.key),
            output::clean(&dataset),
            value(Some(&metric.value))
        )?;
    }
    out.flush()?;
    Ok(())
}
