//! What the name of a file says: `images/KEY+step+N+timestamp+T+UUID.png` is how MLflow stores an image of a series,
//! with a small `…+compressed.webp` beside it; older clients wrote `%` for `+` and `#` for the slash in a key.

use super::Wanted;

/// In lower case; empty for none.
pub(super) fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

pub(super) fn is_image(name: &str) -> bool {
    matches!(extension(name).as_str(), "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "bmp" | "avif")
}

/// Whether it is the small copy that MLflow stores beside an image of a series.
pub(super) fn is_small(name: &str) -> bool {
    name.ends_with("+compressed.webp") || name.ends_with("%compressed.webp")
}

/// Where the small copy of an image of a series would be.
pub(super) fn small_of(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".png")?;
    let mark = ["+", "%"].into_iter().find(|mark| stem.contains(&format!("{mark}step{mark}")))?;
    Some(format!("{stem}{mark}compressed.webp"))
}

/// What a file is called at every step, and its step if its name has one.
pub(super) fn key_and_step(path: &str) -> (String, Option<i64>) {
    let stem = path.rsplit_once('.').filter(|(_, rest)| !rest.contains('/')).map_or(path, |(stem, _)| stem);
    for mark in ["+", "%"] {
        let Some((key, rest)) = stem.split_once(&format!("{mark}step{mark}")) else { continue };
        let step = rest.split(mark).next().and_then(|step| step.parse().ok());
        if let Some(step) = step {
            let key = key.strip_prefix("images/").unwrap_or(key);
            return (key.replace(['~', '#'], "/"), Some(step));
        }
    }
    (stem.to_owned(), None)
}

/// Whether a name says that a file is about what is wanted.
pub(super) fn sounds_like(path: &str, wanted: Wanted) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match wanted {
        Wanted::Confusion => says(&["confusion"]),
        Wanted::Curves => says(&["roc_curve", "roc-curve", "precision_recall", "pr_curve"]),
        Wanted::Histograms => says(&["histogram"]),
        Wanted::Images | Wanted::Tables => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_a_series_tell_key_and_step() {
        let path = "images/val~samples+step+12+timestamp+1700000000000+0c6b-4d.png";
        assert_eq!(key_and_step(path), ("val/samples".to_owned(), Some(12)));
        assert_eq!(
            small_of(path).as_deref(),
            Some("images/val~samples+step+12+timestamp+1700000000000+0c6b-4d+compressed.webp")
        );
        assert!(is_small("x+step+1+timestamp+2+u+compressed.webp"));
        let old = "images/dog#small%step%3%timestamp%5%u.png";
        assert_eq!(key_and_step(old), ("dog/small".to_owned(), Some(3)));
        assert_eq!(
            key_and_step("plots/a.b/confusion_matrix.png"),
            ("plots/a.b/confusion_matrix".to_owned(), None)
        );
        assert_eq!(key_and_step("weights+step+-4.json"), ("weights".to_owned(), Some(-4)));
        assert_eq!(key_and_step("a+step+x.json"), ("a+step+x".to_owned(), None));
        assert_eq!(key_and_step("a.b/c"), ("a.b/c".to_owned(), None));
        assert_eq!(small_of("plain.png"), None);
    }
}
