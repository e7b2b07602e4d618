//! Promoting a version: what only files can tell is read first, and the writer takes it only if the version that it was
//! compared with is still there.

use super::{files, hashes};
use crate::ServerState;
use crate::places::Place;
use slipway_models::{Card, State, Verdict};
use slipway_store::{
    Action, Applied, Change, Check, Compared, Error, Missing, Promoted, Promotion, Result, Who,
};

/// How often someone else may be quicker before a promotion is given up.
const TRIES: usize = 50;

/// Moves a version to an alias or a stage, if the rules allow it.
pub(crate) async fn promote(
    state: &ServerState,
    mut promotion: Promotion,
    who: Who,
    note: Option<String>,
) -> Result<Promoted> {
    for attempt in 1.. {
        if promotion.action == Action::Promotion {
            let (state, asked) = (state.clone(), promotion.clone());
            promotion.compared = blocking(move || compared(&state, &asked)).await?;
        }
        let change = Change::By {
            who: who.clone(),
            note: note.clone(),
            change: Box::new(Change::Promote(Box::new(promotion.clone()))),
        };
        match state.store().write(change).await {
            Ok(Applied::Promoted(done)) => {
                hashes::record_soon(state, done.name.clone(), promotion.version);
                return Ok(done);
            }
            Ok(_) => break,
            // Someone was quicker: look at what is there now.
            Err(Error::HolderMoved { .. }) if promotion.expected_holder.is_none() && attempt < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Invalid("the store did not say what was promoted".to_owned()))
}

/// What the files of a version and of the holder say, if a rule asks for that.
fn compared(state: &ServerState, promotion: &Promotion) -> Result<Option<Compared>> {
    let Promotion { name, version, target, .. } = promotion;
    let (asks, holder) = state.store().read(|reader| {
        let asks = reader
            .model_rules(name)?
            .iter()
            .any(|rule| rule.check == Check::Signature && rule.guards(target));
        Ok((asks, reader.holder(name, target)?))
    })?;
    match (asks, holder) {
        (true, Some(holder)) => compare(state, name, *version, holder).map(Some),
        _ => Ok(None),
    }
}

/// What the files of a version say beside those of the holder.
pub(crate) fn compare(state: &ServerState, name: &str, version: i64, holder: i64) -> Result<Compared> {
    let verdict = verdict(state, (name, holder), (name, version))?;
    let with = format!("version {holder}");
    let (fits, reason) = match verdict.state {
        State::Same => (true, format!("its signature is that of {with}")),
        State::Compatible => (true, format!("who calls {with} can call it ({})", verdict.reasons.join(", "))),
        State::Incompatible => {
            (false, format!("who calls {with} cannot call it: {}", verdict.reasons.join(", ")))
        }
        // Nobody can rely on what was never said.
        State::Unknown if !has_signature(state, name, holder)? => {
            (true, format!("{with} has no signature to be compared with"))
        }
        State::Unknown => (false, format!("it has no signature, and {with} has one")),
    };
    Ok(Compared { holder: Some(holder), fits, reason })
}

/// How the signatures of two versions compare. Blocks its thread.
pub(crate) fn verdict(state: &ServerState, old: (&str, i64), new: (&str, i64)) -> Result<Verdict> {
    let old = card(state, old.0, old.1)?.and_then(|card| card.signature);
    let new = card(state, new.0, new.1)?.and_then(|card| card.signature);
    Ok(slipway_models::compare(old.as_ref(), new.as_ref()))
}

fn has_signature(state: &ServerState, name: &str, version: i64) -> Result<bool> {
    Ok(card(state, name, version)?.is_some_and(|card| card.signature.is_some()))
}

/// What the `MLmodel` file of a version says; none where it has none, or lies where nothing can be read.
fn card(state: &ServerState, name: &str, version: i64) -> Result<Option<Card>> {
    let found = state.store().read(|reader| reader.model_version(name, version));
    let location = match found {
        Ok(version) => version.storage_location,
        // It was deleted meanwhile.
        Err(Error::NotFound(Missing::ModelVersion { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Place::find(state, &location).ok().and_then(|place| files::describe(&place).card))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Invalid(format!("the request was given up: {error}")))?
}
