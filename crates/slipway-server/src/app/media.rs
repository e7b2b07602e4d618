//! What several runs logged besides numbers, side by side. What counts as what is decided in `crate::media`.

use super::artifacts::root_of;
use super::wire::{ApiError, MediaContent, MediaItem, MediaKind, MediaList, MediaRequest, RunMedia};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::media::{self, CurveKind, Findings, Found, Shape, Wanted, What};
use axum::Json;
use axum::extract::State;

const MAX_RUNS: usize = 100;
/// Of one run in an answer.
const MAX_ITEMS: usize = 2_000;

/// Images, matrices, curves, histograms or tables that runs logged, found by the names and shapes of their artifacts.
#[utoipa::path(post, path = "/runs/media", tag = "artifacts", request_body = MediaRequest,
    responses((status = 200, body = MediaList), (status = "default", body = ApiError)))]
pub(super) async fn list_media(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<MediaRequest>,
) -> ApiResult<Json<MediaList>> {
    if request.run_ids.len() > MAX_RUNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_RUNS} runs can be looked through at once, not {}",
            request.run_ids.len()
        )));
    }
    let wanted = match request.kind {
        MediaKind::Images => Wanted::Images,
        MediaKind::Confusion => Wanted::Confusion,
        MediaKind::Curves => Wanted::Curves,
        MediaKind::Histograms => Wanted::Histograms,
        MediaKind::Tables => Wanted::Tables,
    };
    let mut runs = Vec::with_capacity(request.run_ids.len());
    for run_id in request.run_ids {
        // A run that is gone, or whose files are elsewhere, does not hide what the others have.
        let found = match root_of(&state, run_id.clone()).await {
            Ok((_, root)) => media::look(&root, wanted).await.map_err(|error| error.to_string()),
            Err(failure) => Err(failure.body().message.clone()),
        };
        let Findings { mut found, mut notes } =
            found.unwrap_or_else(|why| Findings { found: Vec::new(), notes: vec![why] });
        if found.len() > MAX_ITEMS {
            notes.push(format!("Only the first {MAX_ITEMS} of {} are given.", found.len()));
            found.truncate(MAX_ITEMS);
        }
        runs.push(RunMedia { run_id, items: found.into_iter().map(item).collect(), notes });
    }
    Ok(Json(MediaList { runs }))
}

fn item(found: Found) -> MediaItem {
    let content = match found.what {
        What::Image { small, size_bytes } => MediaContent::Image { small, size_bytes },
        What::Table { size_bytes } => MediaContent::Table { size_bytes },
        What::Shape(Shape::Confusion(confusion)) => {
            MediaContent::Confusion { labels: confusion.labels, matrix: confusion.matrix }
        }
        What::Shape(Shape::Curve(curve)) => MediaContent::Curve {
            is_precision_recall: curve.kind == CurveKind::PrecisionRecall,
            x: curve.x,
            y: curve.y,
            area: curve.area,
        },
        What::Shape(Shape::Histogram(histogram)) => {
            MediaContent::Histogram { edges: histogram.edges, counts: histogram.counts }
        }
    };
    MediaItem { path: found.path, key: found.key, step: found.step, content }
}
