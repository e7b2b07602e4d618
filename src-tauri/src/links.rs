//! What an argument or a `slipway://` link leads to.
//!
//! A link can come from any web page or mail, so it only ever shows: it must never run, delete, trust, send
//! or open a folder. A path can only come from a person's own command line or file manager.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::path::Path;

/// A place in the page, without the `#`: `/run/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route(String);

impl Route {
    /// For places that are the same for everybody, like `/settings`.
    pub(crate) fn fixed(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The page of one run.
    pub(crate) fn run(run_id: &str) -> Self {
        Self(format!("/run/{}", encode(run_id)))
    }

    /// The page of one job.
    pub(crate) fn job(job_id: &str) -> Self {
        Self(format!("/jobs/{}", encode(job_id)))
    }

    /// The page of a registered model.
    pub(crate) fn model(name: &str) -> Self {
        Self(format!("/models/{}", encode(name)))
    }

    /// What a file or folder contains.
    pub(crate) fn inspect(path: &Path) -> Self {
        Self(format!("/inspect?path={}", encode(&path.to_string_lossy())))
    }

    /// As the page's address has it.
    pub(crate) fn hash(&self) -> String {
        format!("#{}", self.0)
    }

    /// As a value in the page's first address.
    pub(crate) fn encoded(&self) -> String {
        encode(&self.0)
    }
}

/// Why a link is not followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// Nothing that a link may show.
    #[error(
        "the link `{0}` leads nowhere; links look like `slipway://run/<run id>`, `slipway://view/<name>` or \
         `slipway://compare?runs=<run id>,<run id>`"
    )]
    Unknown(String),
    /// It is not what an id can be.
    #[error("`{0}` cannot be the id of a run or a job")]
    Id(String),
}

const SCHEME: &str = "slipway:";
/// Runs that a link may put side by side.
const MAX_COMPARED: usize = 200;

/// Everything but letters, digits and `-_.` is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Where an argument of the program leads. A path is seen from `working_dir`.
pub(crate) fn destination(argument: &str, working_dir: &Path) -> Result<Route, LinkError> {
    match argument.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => follow(argument),
        _ => Ok(Route::inspect(&working_dir.join(argument))),
    }
}

fn follow(link: &str) -> Result<Route, LinkError> {
    let unknown = || LinkError::Unknown(link.chars().take(200).collect());
    let rest = link.get(SCHEME.len()..).and_then(|rest| rest.strip_prefix("//")).ok_or_else(unknown)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // Some programs add a slash when they take the last part for a folder.
    let parts: Vec<String> = place.trim_end_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let said = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    match parts.as_slice() {
        ["run", run_id] => {
            let mut route = Route::run(checked(run_id)?);
            if let Some(tab) = said("tab").filter(|tab| is_word(tab, 32)) {
                route.0.push_str(&format!("?tab={tab}"));
            }
            Ok(route)
        }
        // A view is found by its name; which project keeps it is not asked.
        ["view", name] | ["view", _, name] if is_name(name) => Ok(Route(format!("/view/{}", encode(name)))),
        ["compare"] => {
            let runs = decode(said("runs").unwrap_or_default());
            let ids =
                runs.split(',').filter(|id| !id.is_empty()).map(checked).collect::<Result<Vec<_>, _>>()?;
            if ids.is_empty() || ids.len() > MAX_COMPARED {
                return Err(unknown());
            }
            let mut route = format!("/compare?runs={}", ids.join(","));
            if let Some(base) = said("base") {
                route.push_str(&format!("&base={}", checked(base)?));
            }
            Ok(Route(route))
        }
        ["model" | "models", name] if is_model_name(name) => Ok(Route::model(name)),
        ["model" | "models", name, version] if is_model_name(name) && is_name(version) => {
            let number = version.bytes().all(|byte| byte.is_ascii_digit());
            // The model's page says where its aliases stand.
            let version = if number { format!("/versions/{version}") } else { String::new() };
            Ok(Route(format!("/models/{}{version}", encode(name))))
        }
        ["job", id] => Ok(Route(format!("/jobs/{}", checked(id)?))),
        _ => Err(unknown()),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The text, if it can be an id.
fn checked(id: &str) -> Result<&str, LinkError> {
    if is_word(id, 64) { Ok(id) } else { Err(LinkError::Id(id.chars().take(80).collect())) }
}

/// What somebody may have named a view or a model. It stays one part of the place, whatever is in it.
fn is_name(text: &str) -> bool {
    !text.trim().is_empty()
        && !matches!(text, "." | "..")
        && text.len() <= 1000
        && !text.contains(char::is_control)
}

/// What the name of a model can be: any text on one line, but for what could be taken for a path.
fn is_model_name(text: &str) -> bool {
    let plain = text.chars().all(|c| !c.is_control() && c != '/' && c != ':');
    plain && !text.trim().is_empty() && text.chars().count() <= 256 && text != "." && text != ".."
}

fn is_word(text: &str, max_length: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.len() <= max_length && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_to(argument: &str) -> Result<String, LinkError> {
        destination(argument, Path::new("/work/dir")).map(|route| route.hash())
    }

    #[test]
    fn a_link_shows_a_run() {
        let run = "0123456789abcdef0123456789abcdef";
        assert_eq!(leads_to(&format!("slipway://run/{run}")), Ok(format!("#/run/{run}")));
        assert_eq!(leads_to(&format!("SLIPWAY://run/{run}/")), Ok(format!("#/run/{run}")));
        assert_eq!(
            leads_to(&format!("slipway://run/{run}?tab=logs&x=1#y")),
            Ok(format!("#/run/{run}?tab=logs"))
        );
        // What is not a plain word as a tab is left out, the run is still shown.
        assert_eq!(leads_to(&format!("slipway://run/{run}?tab=a%2Fb")), Ok(format!("#/run/{run}")));
    }

    #[test]
    fn a_link_shows_a_saved_view() {
        assert_eq!(
            leads_to("slipway://view/Seeds%2C%20val%20only"),
            Ok("#/view/Seeds%2C%20val%20only".to_owned())
        );
        assert_eq!(leads_to("slipway://view/fraud/caf\u{e9}%2Fx/"), Ok("#/view/caf%C3%A9%2Fx".to_owned()));
        // Nothing in a name leads out of the page's part for views.
        assert_eq!(
            leads_to("slipway://view/..%2Fsettings%3Fa=b%23c?q#z"),
            Ok("#/view/..%2Fsettings%3Fa%3Db%23c".to_owned())
        );
        for link in [
            "slipway://view",
            "slipway://view/",
            "slipway://view/%2e%2e",
            "slipway://view/a%0ab",
            "slipway://view/%20",
        ] {
            assert!(matches!(leads_to(link), Err(LinkError::Unknown(_))), "{link}: {:?}", leads_to(link));
        }
    }

    #[test]
    fn a_link_puts_runs_side_by_side() {
        assert_eq!(leads_to("slipway://compare?runs=a1,b2&x=y"), Ok("#/compare?runs=a1,b2".to_owned()));
        assert_eq!(
            leads_to("slipway://compare/?base=b2&runs=a1%2C,b2"),
            Ok("#/compare?runs=a1,b2&base=b2".to_owned())
        );
        let many = vec!["a"; 201].join(",");
        for link in
            ["slipway://compare", "slipway://compare?runs=", &format!("slipway://compare?runs={many}")]
        {
            assert!(matches!(leads_to(link), Err(LinkError::Unknown(_))), "{link}: {:?}", leads_to(link));
        }
        for runs in ["a,b c", "a%26filter=x", "..", "a&base=%26"] {
            let link = format!("slipway://compare?runs={runs}");
            assert!(matches!(leads_to(&link), Err(LinkError::Id(_))), "{link}: {:?}", leads_to(&link));
        }
    }

    #[test]
    fn a_link_shows_a_model_or_a_job() {
        assert_eq!(leads_to("slipway://model/fraud"), Ok("#/models/fraud".to_owned()));
        assert_eq!(leads_to("slipway://model/a%20b/@best"), Ok("#/models/a%20b".to_owned()));
        assert_eq!(leads_to("slipway://model/fraud/12/"), Ok("#/models/fraud/versions/12".to_owned()));
        assert_eq!(leads_to("slipway://job/0ab-1"), Ok("#/jobs/0ab-1".to_owned()));
        assert!(matches!(leads_to("slipway://job/a%2Fb"), Err(LinkError::Id(_))));
        assert!(matches!(leads_to("slipway://model/a/1/delete"), Err(LinkError::Unknown(_))));
    }

    #[test]
    fn a_link_shows_a_model() {
        assert_eq!(leads_to("slipway://models/fraud-detector"), Ok("#/models/fraud-detector".to_owned()));
        assert_eq!(leads_to("slipway://models/100%25%20ok"), Ok("#/models/100%25%20ok".to_owned()));
        for link in
            ["slipway://models", "slipway://models/a%2fb", "slipway://models/..", "slipway://models/a%00"]
        {
            assert!(matches!(leads_to(link), Err(LinkError::Unknown(_))), "{link}: {:?}", leads_to(link));
        }
    }

    #[test]
    fn a_link_never_does_more_than_show() {
        for link in [
            "slipway://",
            "slipway:run/abc",
            "slipway://run",
            "slipway://run/",
            "slipway://run/abc/delete",
            "slipway://open?path=/etc/passwd",
            "slipway://connect?uri=http://elsewhere.example",
            "slipway://inspect?path=/etc",
            "slipway://settings",
        ] {
            assert!(matches!(leads_to(link), Err(LinkError::Unknown(_))), "{link}: {:?}", leads_to(link));
        }
        for id in ["..%2f..%2fsettings", "a%00b", "a b", "%2e%2e", "é", &"a".repeat(65)] {
            let link = format!("slipway://run/{id}");
            assert!(matches!(leads_to(&link), Err(LinkError::Id(_))), "{link}: {:?}", leads_to(&link));
        }
    }

    #[test]
    fn a_path_is_inspected_from_where_it_was_typed() {
        assert_eq!(leads_to("mlruns"), Ok("#/inspect?path=%2Fwork%2Fdir%2Fmlruns".to_owned()));
        assert_eq!(leads_to("/a b&c#d"), Ok("#/inspect?path=%2Fa%20b%26c%23d".to_owned()));
        // It only looks like a link to some other program.
        assert_eq!(leads_to("slipway"), Ok("#/inspect?path=%2Fwork%2Fdir%2Fslipway".to_owned()));
    }

    #[test]
    fn a_route_survives_being_a_value_in_the_first_address() {
        let route = Route::inspect(Path::new("/a&b"));
        assert_eq!(route.encoded(), "%2Finspect%3Fpath%3D%252Fa%2526b");
    }
}
