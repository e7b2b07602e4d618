//! Promotion, rollback and undo, and what they would do.

use super::{convert, diff, via};
use crate::ServerState;
use crate::app::wire::{
    AliasRemoval, ApiError, EarlierHolder, FileChange, FileChangeKind, FilesCheck, FilesState, Holders,
    HoldersRequest, ModelTarget, ModelVersionRef, Promoted, PromotionPreview, PromotionRequest,
    RollbackRequest, UndoPromotion,
};
use crate::app::{blocking, read};
use crate::error::{ApiFailure, ApiJson, ApiQuery, ApiResult};
use crate::registry::{hashes, promotion, who};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use slipway_store as store;
use slipway_store::{Action, Applied, Change, Check, Promotion, Target};

const NOTE_LIMIT_CHARS: usize = 5000;
const SHOWN_CHANGES: usize = 200;
const WEBHOOKS_LIMIT: u64 = 1000;

/// What a promotion would change, and whether the rules allow it. Changes nothing.
#[utoipa::path(post, path = "/models/promotion/preview", tag = "models", request_body = PromotionRequest,
    responses((status = 200, body = PromotionPreview), (status = "default", body = ApiError)))]
pub(in crate::app) async fn preview_promotion(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<PromotionRequest>,
) -> ApiResult<Json<PromotionPreview>> {
    let target = convert::target(request.target.clone())?;
    let preview = blocking(move || preview(&state, request, &target)).await??;
    Ok(Json(preview))
}

fn preview(state: &ServerState, request: PromotionRequest, target: &Target) -> ApiResult<PromotionPreview> {
    let PromotionRequest { name, version, .. } = &request;
    let holder = state.store().read(|reader| {
        reader.model_version(name, *version)?;
        reader.holder(name, target)
    })?;
    let other = holder.filter(|holder| holder != version);
    let compared = other.map(|holder| promotion::compare(state, name, *version, holder)).transpose()?;
    let outcomes = state.store().read(|reader| {
        reader.check_rules(name, *version, target, request.note.as_deref(), compared.as_ref())
    })?;
    let archived = match target {
        Target::Stage(stage @ (store::Stage::Staging | store::Stage::Production))
            if request.archive_existing.unwrap_or(true) =>
        {
            let mut archived = state.store().read(|reader| reader.versions_in(name, *stage))?;
            archived.retain(|other| other != version);
            archived
        }
        _ => Vec::new(),
    };
    let versions: Vec<ModelVersionRef> = other
        .into_iter()
        .chain([*version])
        .map(|version| ModelVersionRef { name: name.clone(), version })
        .collect();
    let (told, holder_used_by) = state.store().read(|reader| {
        let used_by = match other {
            Some(holder) => match reader.model_version(name, holder)?.model_id {
                Some(model_id) => reader.runs_that_read(&model_id, 0)?.1,
                None => 0,
            },
            None => 0,
        };
        Ok((told(reader, target, holder == Some(*version))?, used_by))
    })?;
    Ok(PromotionPreview {
        told,
        holder_used_by,
        allowed: outcomes.iter().all(|outcome| outcome.passed == Some(true)),
        rules: outcomes.into_iter().map(convert::outcome).collect(),
        holder,
        archived,
        follows: match target {
            Target::Alias(alias) => vec![format!("models:/{name}@{alias}")],
            Target::Stage(stage) => vec![format!("models:/{name}/{}", stage.as_str())],
        },
        diff: diff::diff(state, &versions)?,
        version: request.version,
        target: request.target,
        name: request.name,
    })
}

/// Names of the webhooks that hear of a move. MLflow has an event for aliases, and none for stages.
fn told(reader: &store::Reader<'_>, target: &Target, already: bool) -> store::Result<Vec<String>> {
    if already || matches!(target, Target::Stage(_)) {
        return Ok(Vec::new());
    }
    let hears =
        |webhook: &store::Webhook| webhook.is_active && webhook.events.contains(&store::EventKind::AliasSet);
    let webhooks = reader.webhooks(0, WEBHOOKS_LIMIT)?.items.into_iter().filter(hears);
    Ok(webhooks.map(|webhook| webhook.name).collect())
}

/// Moves a version to an alias or a stage, unless a rule forbids it.
#[utoipa::path(post, path = "/models/promote", tag = "models", request_body = PromotionRequest,
    responses((status = 200, body = Promoted), (status = "default", body = ApiError)))]
pub(in crate::app) async fn promote(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<PromotionRequest>,
) -> ApiResult<Json<Promoted>> {
    let note = note(request.note)?;
    let target = convert::target(request.target)?;
    let archives = matches!(target, Target::Stage(store::Stage::Staging | store::Stage::Production));
    let promotion = Promotion {
        name: request.name,
        version: request.version,
        target,
        archive_existing: archives && request.archive_existing.unwrap_or(true),
        action: Action::Promotion,
        expected_holder: request.expected_holder,
        compared: None,
        at_ms: now_ms(),
    };
    let who = who(&state, via(&headers));
    Ok(Json(convert::promoted(promotion::promote(&state, promotion, who, note).await?)))
}

/// Moves an alias or a stage back to a version that was there before, whatever the rules say, if its files are what they
/// were.
#[utoipa::path(post, path = "/models/rollback", tag = "models", request_body = RollbackRequest,
    responses((status = 200, body = Promoted), (status = "default", body = ApiError)))]
pub(in crate::app) async fn roll_back(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<RollbackRequest>,
) -> ApiResult<Json<Promoted>> {
    let note = note(request.note)?;
    let target = convert::target(request.target)?;
    let (name, wanted) = (request.name.clone(), target.clone());
    let (holder, earlier) = read(&state, move |reader| {
        Ok((reader.holder(&name, &wanted)?, reader.earlier_holders(&name, &wanted)?))
    })
    .await??;
    let version = match (request.version, earlier.first()) {
        (Some(version), _) => version,
        (None, Some(last)) => last.version,
        (None, None) => {
            return Err(ApiFailure::invalid(format!(
                "no earlier version of '{}' was {target}, so there is nothing to go back to",
                request.name
            )));
        }
    };
    let checked = check(&state, request.name.clone(), version).await?;
    let harmed = matches!(checked.state, FilesState::Changed | FilesState::Missing);
    if harmed && !request.force {
        return Err(ApiFailure::refused(format!(
            "version {version} of '{}' is not what it was: {}",
            request.name, checked.summary
        ))
        .hint("Restore its files, or roll back all the same with `force`."));
    }
    let promotion = Promotion {
        name: request.name,
        version,
        archive_existing: matches!(target, Target::Stage(_)),
        target,
        action: Action::Rollback,
        // What was shown as earlier was earlier than this one.
        expected_holder: Some(holder.unwrap_or(0)),
        compared: None,
        at_ms: now_ms(),
    };
    let who = who(&state, via(&headers));
    Ok(Json(convert::promoted(promotion::promote(&state, promotion, who, note).await?)))
}

/// Takes a promotion, a rollback or the removal of an alias back, unless something was moved since.
#[utoipa::path(post, path = "/models/undo", tag = "models", request_body = UndoPromotion,
    responses((status = 200, body = Promoted), (status = "default", body = ApiError)))]
pub(in crate::app) async fn undo_promotion(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<UndoPromotion>,
) -> ApiResult<Json<Promoted>> {
    let change = Change::UndoPromotion { history_id: request.history_id, at_ms: now_ms() };
    match super::write(&state, &headers, note(request.note)?, change).await? {
        Applied::Promoted(done) => Ok(Json(convert::promoted(done))),
        _ => Err(ApiFailure::internal("the store did not say what was undone")),
    }
}

/// Takes an alias away from the model.
#[utoipa::path(post, path = "/models/alias/remove", tag = "models", request_body = AliasRemoval,
    responses((status = 200, body = Promoted), (status = "default", body = ApiError)))]
pub(in crate::app) async fn remove_alias(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(AliasRemoval { name, alias, note: given }): ApiJson<AliasRemoval>,
) -> ApiResult<Json<Promoted>> {
    let note = note(given)?;
    let target = Target::Alias(alias.clone());
    let (model, wanted) = (name.clone(), target.clone());
    let previous = read(&state, move |reader| reader.holder(&model, &wanted)).await??;
    let change = Change::DeleteAlias { name: name.clone(), alias: alias.clone(), at_ms: now_ms() };
    super::write(&state, &headers, note, change).await?;
    let wanted = name.clone();
    let query = store::HistoryQuery { name: Some(wanted), limit: 1, ..store::HistoryQuery::default() };
    let last = read(&state, move |reader| reader.model_history(&query)).await??.items.pop();
    let moved =
        last.filter(|entry| entry.subject.as_deref() == Some(alias.as_str()) && entry.became.is_none());
    let history_id = moved.map(|entry| entry.id).filter(|_| previous.is_some());
    let done = store::Promoted { name, target, version: None, previous, history_id };
    Ok(Json(convert::promoted(done)))
}

/// The version at an alias or a stage, and those that were there before.
#[utoipa::path(post, path = "/models/holders", tag = "models", request_body = HoldersRequest,
    responses((status = 200, body = Holders), (status = "default", body = ApiError)))]
pub(in crate::app) async fn list_holders(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<HoldersRequest>,
) -> ApiResult<Json<Holders>> {
    let target = convert::target(request.target.clone())?;
    let (holder, earlier) = read(&state, move |reader| {
        Ok((reader.holder(&request.name, &target)?, reader.earlier_holders(&request.name, &target)?))
    })
    .await??;
    let earlier = earlier.into_iter().map(|earlier| EarlierHolder {
        version: earlier.version,
        from_ms: earlier.from_ms,
        until_ms: earlier.until_ms,
        replaced_by: earlier.replaced_by,
    });
    Ok(Json(Holders { target: request.target, holder, earlier: earlier.collect() }))
}

/// Whether the files of a version are what they were when they were recorded. Reads all of them.
#[utoipa::path(get, path = "/models/version/files/check", tag = "models", params(super::version::VersionQuery),
    responses((status = 200, body = FilesCheck), (status = "default", body = ApiError)))]
pub(in crate::app) async fn check_files(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<super::version::VersionQuery>,
) -> ApiResult<Json<FilesCheck>> {
    let checked = check(&state, query.name.clone(), query.version).await?;
    if checked.state == FilesState::Unknown {
        // From now on something can be said.
        hashes::record_soon(&state, query.name, query.version);
    }
    Ok(Json(checked))
}

async fn check(state: &ServerState, name: String, version: i64) -> ApiResult<FilesCheck> {
    let (state, model) = (state.clone(), name.clone());
    let checked = blocking(move || -> store::Result<hashes::Checked> {
        let (location, record) = state.store().read(|reader| {
            Ok((
                reader.model_version(&model, version)?.storage_location,
                reader.version_files(&model, version)?,
            ))
        })?;
        Ok(hashes::check(&state, &location, record))
    })
    .await??;
    let changes = checked.changes.into_iter().take(SHOWN_CHANGES);
    Ok(FilesCheck {
        version: ModelVersionRef { name, version },
        state: match checked.state {
            hashes::State::Unchanged => FilesState::Unchanged,
            hashes::State::Changed => FilesState::Changed,
            hashes::State::Missing => FilesState::Missing,
            hashes::State::Unknown => FilesState::Unknown,
            hashes::State::Elsewhere => FilesState::Elsewhere,
        },
        summary: checked.summary,
        recorded_ms: checked.record.map(|record| record.recorded_ms),
        changes: changes
            .map(|(path, recorded_sha256, sha256)| FileChange {
                path,
                change: match (&recorded_sha256, &sha256) {
                    (Some(_), None) => FileChangeKind::Missing,
                    (None, _) => FileChangeKind::Added,
                    (Some(_), Some(_)) => FileChangeKind::Changed,
                },
                recorded_sha256,
                sha256,
            })
            .collect(),
        files: checked.files,
        size_bytes: checked.size_bytes,
    })
}

/// A note, unless it is empty.
pub(super) fn note(note: Option<String>) -> ApiResult<Option<String>> {
    let note = note.filter(|note| !note.trim().is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_LIMIT_CHARS) {
        return Err(ApiFailure::invalid(format!("a note has at most {NOTE_LIMIT_CHARS} characters")));
    }
    Ok(note)
}

/// Whether a rule can hold at all.
pub(super) fn check_rule(rule: &store::Rule) -> ApiResult<()> {
    const TEXT_LIMIT_CHARS: usize = 250;
    let text = |what: &str, text: &str| match text.chars().count() {
        0 => Err(ApiFailure::invalid(format!("a rule names {what} that is empty"))),
        count if count > TEXT_LIMIT_CHARS => Err(ApiFailure::invalid(format!(
            "a rule names {what} of more than {TEXT_LIMIT_CHARS} characters"
        ))),
        _ => Ok(()),
    };
    match &rule.check {
        Check::Metric { metric, tolerance, .. } => {
            text("a metric", &metric.key)?;
            if !tolerance.is_finite() || *tolerance < 0.0 {
                return Err(ApiFailure::invalid(format!(
                    "the tolerance of a rule is {tolerance}; it has to be a number that is not negative"
                )));
            }
        }
        Check::Tag { key, .. } => text("a tag", key)?,
        Check::Signature | Check::Note => {}
    }
    for target in &rule.targets {
        if let Target::Stage(stage @ (store::Stage::None | store::Stage::Archived)) = target {
            return Err(ApiFailure::invalid(format!("a rule cannot guard the stage {}", stage.as_str())));
        }
    }
    Ok(())
}

/// The target as the wire has it.
pub(super) fn wire_target(target: Target) -> ModelTarget {
    match target {
        Target::Alias(alias) => ModelTarget::Alias { alias },
        Target::Stage(stage) => ModelTarget::Stage { stage: convert::stage(stage) },
    }
}
