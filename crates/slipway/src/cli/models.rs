//! `slipway models`: what is registered, what it fulfils, and moving it.

use super::client::Api;
use super::table::TextTable;
use super::{Failure, Global, Result, output};
use clap::{Args, Subcommand};
use serde::Serialize;
use slipway_server::app::wire::{
    CellValue, DiffMetric, DiffRequest, FilesCheck, HistoryEntry, HistoryKind, MetricDirection, ModelDetail,
    ModelHistory, ModelRow, ModelRule, ModelStage, ModelTarget, ModelVersionRef, ModelsDiff, ModelsPage,
    ModelsRequest, Promoted, PromotionPreview, PromotionRequest, RegisterRequest, RegisterSource, Registered,
    RollbackRequest, RuleCheck, RulesEdit, SignatureState, VersionDetail, VersionsPage, VersionsRequest,
};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const PAGE: u64 = 200;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List registered models.
    Ls(List),
    /// Show a model, or one of its versions.
    Show(Show),
    /// Register a version: from a run, a logged model, or a file or folder of this machine, which is copied.
    Register(Register),
    /// Move a version to an alias or a stage, if the rules of the model allow it.
    Promote(Promote),
    /// Move an alias or a stage back to a version that was there before.
    Rollback(Rollback),
    /// Put versions side by side; all are compared with the first.
    Diff(Diff),
    /// Show or set what a version has to fulfil before it is promoted.
    Rules(Rules),
    /// Show what was done to a model, by whom and when.
    History(History),
}

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

#[derive(Args)]
pub(crate) struct Register {
    /// Name of the model; it is made when there is none.
    name: String,
    /// `runs:/RUN/PATH`, `models:/m-ID`, or a file or folder of this machine.
    source: String,
    /// What it is, in Markdown.
    #[arg(long)]
    description: Option<String>,
    /// A tag, as `KEY=VALUE`. May be given again.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Promote {
    /// The version: `NAME/3` or `NAME@challenger`.
    version: String,
    /// Where to: an alias, as `@champion`, or a stage: `Staging`, `Production`, `Archived`, `None`.
    target: String,
    /// Why.
    #[arg(short, long)]
    note: Option<String>,
    /// Say what would change and whether the rules hold, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave other versions in the stage.
    #[arg(long)]
    keep_existing: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Rollback {
    /// Name of the model.
    name: String,
    /// An alias, as `@champion`, or a stage.
    target: String,
    /// Which earlier version; the one before the present one when absent.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// Why.
    #[arg(short, long)]
    note: Option<String>,
    /// Also when its files have changed or are gone.
    #[arg(long)]
    force: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Diff {
    /// Versions: `NAME/3` or `NAME@champion`.
    #[arg(required = true, num_args = 2..=20, value_name = "VERSION")]
    versions: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Rules {
    /// Name of the model.
    name: String,
    /// Add a rule: `metric:NAME:higher|lower[:TOLERANCE[:DATASET]]`, `signature`, `tag:KEY[=VALUE]` or `note`. May be
    /// given again.
    #[arg(long, value_name = "RULE")]
    add: Vec<String>,
    /// What the added rules guard: `@champion`, `Staging` or `Production`; all of these when absent. May be given again.
    #[arg(long, value_name = "TARGET", requires = "add")]
    on: Vec<String>,
    /// Remove all rules first.
    #[arg(long)]
    clear: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct History {
    /// A model `NAME`, or a version `NAME/3`.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Entries at most.
    #[arg(short = 'n', long, default_value_t = 100)]
    limit: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match command {
        Command::Ls(arguments) => list(&api, &arguments)?,
        Command::Show(arguments) => show(&api, &arguments)?,
        Command::Register(arguments) => register(global, &api, arguments)?,
        Command::Promote(arguments) => promote(global, &api, arguments)?,
        Command::Rollback(arguments) => rollback(global, &api, arguments)?,
        Command::Diff(arguments) => diff(&api, &arguments)?,
        Command::Rules(arguments) => rules(&api, arguments)?,
        Command::History(arguments) => history(&api, &arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(api: &Api, arguments: &List) -> Result<()> {
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

fn show(api: &Api, arguments: &Show) -> Result<()> {
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

fn register(global: &Global, api: &Api, arguments: Register) -> Result<()> {
    let source = if let Some(rest) = arguments.source.strip_prefix("runs:/") {
        let (run_id, path) = rest.trim_start_matches('/').split_once('/').ok_or_else(|| {
            Failure::usage(format!("`{}` names no artifact: say runs:/RUN/PATH", arguments.source))
        })?;
        RegisterSource::RunArtifact { run_id: run_id.to_owned(), path: path.to_owned() }
    } else if let Some(id) = arguments.source.strip_prefix("models:/") {
        RegisterSource::LoggedModel { model_id: id.to_owned() }
    } else {
        let path = std::path::absolute(PathBuf::from(&arguments.source))?;
        let path = path.to_str().ok_or_else(|| Failure::usage("the path is not UTF-8"))?.to_owned();
        RegisterSource::Path { path }
    };
    let mut tags = BTreeMap::new();
    for tag in &arguments.tags {
        let (key, value) =
            tag.split_once('=').ok_or_else(|| Failure::usage(format!("`{tag}` is no tag: say KEY=VALUE")))?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    let request = RegisterRequest { name: arguments.name, source, description: arguments.description, tags };
    let done: Registered = api.post("/models/register", &request)?;
    if arguments.json {
        return print_json(&done);
    }
    for warning in &done.warnings {
        global.say(format!("Warning: {}", output::clean(warning)));
    }
    global.say(format!("Registered {} v{}.", output::clean(&done.name), done.version));
    Ok(())
}

fn promote(global: &Global, api: &Api, arguments: Promote) -> Result<()> {
    let ModelVersionRef { name, version } = required_version(api, &arguments.version)?;
    let request = PromotionRequest {
        name,
        version,
        target: target(&arguments.target)?,
        note: arguments.note,
        archive_existing: Some(!arguments.keep_existing),
        expected_holder: None,
    };
    if arguments.dry_run {
        let preview: PromotionPreview = api.post("/models/promotion/preview", &request)?;
        if arguments.json {
            return print_json(&preview);
        }
        let mut out = std::io::stdout().lock();
        let holder = preview.holder.map_or("no version".to_owned(), |holder| format!("v{holder}"));
        writeln!(out, "{} is {holder}, and would be v{}.", arguments.target, preview.version)?;
        for result in &preview.rules {
            let mark = if result.passed { "holds" } else { "BROKEN" };
            writeln!(out, "  {mark}  {}", output::clean(&result.reason))?;
        }
        drop(out);
        return print_diff(&preview.diff);
    }
    let done: Promoted = api.post("/models/promote", &request)?;
    told(global, &done, arguments.json)
}

fn rollback(global: &Global, api: &Api, arguments: Rollback) -> Result<()> {
    let request = RollbackRequest {
        name: arguments.name,
        target: target(&arguments.target)?,
        version: arguments.to,
        note: arguments.note,
        force: arguments.force,
    };
    let done: Promoted = api.post("/models/rollback", &request)?;
    told(global, &done, arguments.json)
}

fn told(global: &Global, done: &Promoted, json: bool) -> Result<()> {
    if json {
        return print_json(done);
    }
    let version =
        |version: Option<i64>| version.map_or("no version".to_owned(), |version| format!("v{version}"));
    let text = match done.history_id {
        None => format!("{} already is {}.", target_text(&done.target), version(done.version)),
        Some(_) => format!(
            "{} of {} is {}; it was {}.",
            target_text(&done.target),
            done.name,
            version(done.version),
            version(done.previous)
        ),
    };
    global.say(output::clean(&text));
    Ok(())
}

fn diff(api: &Api, arguments: &Diff) -> Result<()> {
    let versions =
        arguments.versions.iter().map(|text| required_version(api, text)).collect::<Result<Vec<_>>>()?;
    let diff: ModelsDiff = api.post("/models/diff", &DiffRequest { versions })?;
    if arguments.json {
        return print_json(&diff);
    }
    print_diff(&diff)
}

fn print_diff(diff: &ModelsDiff) -> Result<()> {
    let mut head = vec!["".to_owned()];
    head.extend(
        diff.versions.iter().map(|version| format!("{} v{}", output::clean(&version.name), version.version)),
    );
    let mut rows: Vec<Vec<String>> = Vec::new();
    for metric in &diff.metrics {
        rows.push(metric_row(metric));
    }
    for text in diff.params.iter().chain(&diff.environment).filter(|text| text.differs) {
        let mut row = vec![output::clean(&text.key)];
        row.extend(text.values.iter().map(|value| output::clean(value.as_deref().unwrap_or("–"))));
        rows.push(row);
    }
    let mut sizes = vec!["size".to_owned()];
    sizes.extend(diff.sizes_bytes.iter().map(|size| size.map_or("–".to_owned(), bytes)));
    rows.push(sizes);
    let mut signatures = vec!["signature".to_owned()];
    signatures.extend(diff.signatures.iter().map(|verdict| match verdict.state {
        SignatureState::Same => "same".to_owned(),
        SignatureState::Unknown => "unknown".to_owned(),
        SignatureState::Compatible => format!("compatible: {}", output::clean(&verdict.reasons.join(", "))),
        SignatureState::Incompatible => {
            format!("incompatible: {}", output::clean(&verdict.reasons.join(", ")))
        }
    }));
    rows.push(signatures);
    let numeric = vec![false; head.len()];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    print_table(&head, rows, &numeric)
}

fn metric_row(metric: &DiffMetric) -> Vec<String> {
    let dataset =
        metric.metric.dataset.as_deref().map(|dataset| format!(" on {dataset}")).unwrap_or_default();
    let mut row = vec![output::clean(&format!("{}{dataset}", metric.metric.key))];
    for (index, found) in metric.values.iter().enumerate() {
        let mut text = value(found.as_ref());
        if let (Some(Some(delta)), Some(Some(better))) = (metric.deltas.get(index), metric.better.get(index))
        {
            let word = if *better { "better" } else { "worse" };
            text.push_str(&format!(" ({delta:+.6} {word})"));
        }
        row.push(text);
    }
    row
}

fn rules(api: &Api, arguments: Rules) -> Result<()> {
    let mut detail: ModelDetail = api.get(&format!("/models/one?name={}", escaped(&arguments.name)))?;
    if arguments.clear || !arguments.add.is_empty() {
        let mut rules = if arguments.clear { Vec::new() } else { detail.rules };
        let targets = arguments.on.iter().map(|text| target(text)).collect::<Result<Vec<_>>>()?;
        for text in &arguments.add {
            rules.push(ModelRule { targets: targets.clone(), check: rule_check(text)? });
        }
        let edit = RulesEdit { name: arguments.name.clone(), rules, note: None };
        detail = api.post("/models/rules", &edit)?;
    }
    if arguments.json {
        return print_json(&detail.rules);
    }
    let mut out = std::io::stdout().lock();
    if detail.rules.is_empty() {
        writeln!(out, "{} has no rules.", output::clean(&arguments.name))?;
    }
    for rule in &detail.rules {
        writeln!(out, "{}", output::clean(&rule_text(rule)))?;
    }
    Ok(())
}

/// Reads a rule as it is typed.
fn rule_check(text: &str) -> Result<RuleCheck> {
    let wrong = || {
        Failure::usage(format!("`{text}` is no rule"))
            .hint("Say metric:NAME:higher|lower[:TOLERANCE[:DATASET]], signature, tag:KEY[=VALUE] or note.")
    };
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "signature" if rest.is_empty() => Ok(RuleCheck::Signature),
        "note" if rest.is_empty() => Ok(RuleCheck::Note),
        "tag" if !rest.is_empty() => Ok(match rest.split_once('=') {
            Some((key, value)) => RuleCheck::Tag { key: key.to_owned(), value: Some(value.to_owned()) },
            None => RuleCheck::Tag { key: rest.to_owned(), value: None },
        }),
        "metric" => {
            let mut parts = rest.splitn(4, ':');
            let metric = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned();
            let direction = match parts.next() {
                Some("higher") => MetricDirection::Higher,
                Some("lower") => MetricDirection::Lower,
                _ => return Err(wrong()),
            };
            let tolerance = parts.next().map_or(Ok(0.0), |text| text.parse().map_err(|_| wrong()))?;
            Ok(RuleCheck::Metric { metric, dataset: parts.next().map(str::to_owned), direction, tolerance })
        }
        _ => Err(wrong()),
    }
}

fn rule_text(rule: &ModelRule) -> String {
    let on = match rule.targets.is_empty() {
        true => "every alias, Staging and Production".to_owned(),
        false => rule.targets.iter().map(target_text).collect::<Vec<_>>().join(", "),
    };
    let what = match &rule.check {
        RuleCheck::Metric { metric, dataset, direction, tolerance } => {
            let dataset = dataset.as_deref().map(|dataset| format!(" on {dataset}")).unwrap_or_default();
            let better = match direction {
                MetricDirection::Higher => "higher",
                MetricDirection::Lower => "lower",
            };
            format!("{metric}{dataset} is not worse ({better} is better, tolerance {tolerance})")
        }
        RuleCheck::Signature => "the signature is compatible".to_owned(),
        RuleCheck::Tag { key, value: Some(value) } => format!("the tag {key} is {value}"),
        RuleCheck::Tag { key, value: None } => format!("the tag {key} is set"),
        RuleCheck::Note => "there is a note".to_owned(),
    };
    format!("{what}; for {on}")
}

fn history(api: &Api, arguments: &History) -> Result<()> {
    let (name, version) = match version_of(api, &arguments.model)? {
        Some(found) => (found.name, format!("&version={}", found.version)),
        None => (arguments.model.clone(), String::new()),
    };
    let limit = arguments.limit;
    let found: ModelHistory =
        api.get(&format!("/models/history?name={}{version}&limit={limit}", escaped(&name)))?;
    if arguments.json {
        return print_json(&found);
    }
    let rows = found.entries.iter().map(|entry| {
        vec![
            output::time(entry.at_ms),
            output::clean(entry.user.as_deref().unwrap_or("?")),
            output::clean(&what_happened(entry)),
            output::clean(entry.note.as_deref().unwrap_or_default()),
        ]
    });
    print_table(&["WHEN", "WHO", "WHAT", "NOTE"], rows.collect(), &[false; 4])
}

fn what_happened(entry: &HistoryEntry) -> String {
    let action = match entry.action {
        slipway_server::app::wire::HistoryAction::Rollback => " (rollback)",
        slipway_server::app::wire::HistoryAction::Undo => " (undone)",
        _ => "",
    };
    let version = entry.version.map(|version| format!("v{version}")).unwrap_or_default();
    let subject = entry.subject.as_deref().unwrap_or_default();
    let end = |text: &Option<String>| text.clone().map_or("none".to_owned(), |text| format!("v{text}"));
    match entry.kind {
        HistoryKind::AliasMoved => format!("@{subject}: {} → {}{action}", end(&entry.from), end(&entry.to)),
        HistoryKind::StageMoved => {
            let end = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{version}: {} → {}{action}", end(&entry.from), end(&entry.to))
        }
        HistoryKind::VersionCreated => format!("{version} registered"),
        HistoryKind::VersionDeleted => format!("{version} deleted"),
        HistoryKind::VersionDescribed => format!("{version} described"),
        HistoryKind::VersionTagSet => format!("{version} tag {subject} set"),
        HistoryKind::VersionTagRemoved => format!("{version} tag {subject} removed"),
        HistoryKind::ModelCreated => "model made".to_owned(),
        HistoryKind::ModelRenamed => format!("renamed from {}", entry.from.as_deref().unwrap_or_default()),
        HistoryKind::ModelDescribed => "model described".to_owned(),
        HistoryKind::ModelDeleted => "model deleted".to_owned(),
        HistoryKind::ModelTagSet => format!("tag {subject} set"),
        HistoryKind::ModelTagRemoved => format!("tag {subject} removed"),
        HistoryKind::RulesSet => "rules set".to_owned(),
    }
}

/// The version that a text names; none when it names a model. A name holds neither `/` nor `:`.
fn version_of(api: &Api, text: &str) -> Result<Option<ModelVersionRef>> {
    if let Some((name, version)) = text.rsplit_once('/') {
        let version = version.trim_start_matches('v').parse();
        let version =
            version.map_err(|_| Failure::usage(format!("`{text}` names no version: say NAME/3")))?;
        return Ok(Some(ModelVersionRef { name: name.to_owned(), version }));
    }
    let Some((name, alias)) =
        text.rsplit_once('@').filter(|(name, alias)| !name.is_empty() && !alias.is_empty())
    else {
        return Ok(None);
    };
    let detail: ModelDetail = match api.get(&format!("/models/one?name={}", escaped(name))) {
        Ok(detail) => detail,
        // A name may hold an `@`.
        Err(_) => return Ok(None),
    };
    let held = detail.model.aliases.into_iter().find(|held| held.alias == alias);
    let held =
        held.ok_or_else(|| Failure::not_found(format!("the model `{name}` has no alias `{alias}`")))?;
    Ok(Some(ModelVersionRef { name: name.to_owned(), version: held.version }))
}

fn required_version(api: &Api, text: &str) -> Result<ModelVersionRef> {
    let found = version_of(api, text)?;
    found.ok_or_else(|| Failure::usage(format!("`{text}` names no version: say NAME/3 or NAME@champion")))
}

/// Reads an alias or a stage as it is typed.
fn target(text: &str) -> Result<ModelTarget> {
    if let Some(alias) = text.strip_prefix('@') {
        return Ok(ModelTarget::Alias { alias: alias.to_owned() });
    }
    let stages = [ModelStage::None, ModelStage::Staging, ModelStage::Production, ModelStage::Archived];
    let found = stages.into_iter().find(|known| stage(*known).eq_ignore_ascii_case(text));
    found.map(|stage| ModelTarget::Stage { stage }).ok_or_else(|| {
        Failure::usage(format!("`{text}` is neither an alias nor a stage"))
            .hint("Say @champion for an alias; stages are Staging, Production, Archived and None.")
    })
}

fn target_text(target: &ModelTarget) -> String {
    match target {
        ModelTarget::Alias { alias } => format!("@{alias}"),
        ModelTarget::Stage { stage: found } => stage(*found).to_owned(),
    }
}

fn stage(stage: ModelStage) -> &'static str {
    match stage {
        ModelStage::None => "None",
        ModelStage::Staging => "Staging",
        ModelStage::Production => "Production",
        ModelStage::Archived => "Archived",
    }
}

fn value(value: Option<&CellValue>) -> String {
    match value {
        None => "–".to_owned(),
        Some(CellValue::Number(number)) => number.to_string(),
        Some(CellValue::Text(text)) => output::clean(text),
    }
}

fn bytes(count: u64) -> String {
    super::trash::report::bytes(count)
}

/// For a query.
fn escaped(text: &str) -> String {
    super::client::escaped(text)
}

fn print_table(head: &[&str], rows: Vec<Vec<String>>, numeric: &[bool]) -> Result<()> {
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    let table = TextTable { head, rows, numeric: numeric.to_vec() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    table.print(&mut out, |_, _| None)?;
    out.flush()?;
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_typed() {
        let metric = |metric: &str, direction, tolerance, dataset: Option<&str>| RuleCheck::Metric {
            metric: metric.to_owned(),
            dataset: dataset.map(str::to_owned),
            direction,
            tolerance,
        };
        for (text, expected) in [
            ("metric:auc:higher", metric("auc", MetricDirection::Higher, 0.0, None)),
            ("metric:val/loss:lower:0.01", metric("val/loss", MetricDirection::Lower, 0.01, None)),
            ("metric:auc:higher:0:a:b", metric("auc", MetricDirection::Higher, 0.0, Some("a:b"))),
            ("signature", RuleCheck::Signature),
            ("note", RuleCheck::Note),
            ("tag:checked=yes", RuleCheck::Tag { key: "checked".to_owned(), value: Some("yes".to_owned()) }),
            ("tag:checked", RuleCheck::Tag { key: "checked".to_owned(), value: None }),
        ] {
            assert_eq!(rule_check(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "metric", "metric:auc", "metric:auc:up", "metric:auc:higher:x", "tag:", "note:x"] {
            assert!(rule_check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn targets_are_read_as_they_are_typed() {
        assert_eq!(target("@a").ok(), Some(ModelTarget::Alias { alias: "a".to_owned() }));
        assert_eq!(target("production").ok(), Some(ModelTarget::Stage { stage: ModelStage::Production }));
        assert!(target("champion").is_err());
    }
}
