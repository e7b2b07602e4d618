//! Which metrics say how good a model is, and whether more or less of them is better, guessed from their names.

/// Words that mean that less is better.
const LOWER: &[&str] = &[
    "loss",
    "losses",
    "logloss",
    "err",
    "error",
    "errors",
    "mse",
    "rmse",
    "rmsle",
    "mae",
    "mape",
    "smape",
    "nll",
    "brier",
    "perplexity",
    "ppl",
    "wer",
    "cer",
    "fpr",
    "fnr",
    "fdr",
    "ece",
    "latency",
    "time",
    "ms",
    "seconds",
    "duration",
    "size",
    "bytes",
    "memory",
    "regret",
    "divergence",
    "kl",
    "distance",
    "deviance",
    "bic",
    "aic",
    "gap",
];

/// Words that say how good a model is, the most telling first.
const TELLING: &[&str] = &[
    "auc",
    "auroc",
    "auprc",
    "ap",
    "f1",
    "accuracy",
    "acc",
    "r2",
    "ndcg",
    "map",
    "bleu",
    "rouge",
    "iou",
    "mcc",
    "recall",
    "precision",
    "score",
    "rmse",
    "mse",
    "mae",
    "mape",
    "loss",
    "logloss",
    "perplexity",
    "error",
];

/// Words for how long a model takes to answer, alone and only beside a unit or a word for time.
const LATENCY: &[&str] = &["latency", "latencies"];
const ANSWERING: &[&str] = &["inference", "predict", "prediction", "response", "serving", "scoring"];
const TIME: &[&str] = &["time", "duration", "ms", "us", "seconds", "sec", "s", "millis", "milliseconds"];

/// Whether a metric says how long the model takes to answer.
pub(crate) fn is_latency(key: &str) -> bool {
    let any = |names: &[&str]| words(key).any(|word| names.contains(&word.as_str()));
    any(LATENCY) || (any(ANSWERING) && any(TIME))
}

/// Whether more of a metric is better.
pub(crate) fn higher_is_better(key: &str) -> bool {
    !words(key).any(|word| LOWER.contains(&word.as_str()))
}

/// Whether the name says in which direction a metric is better.
pub(crate) fn has_direction(key: &str) -> bool {
    words(key).any(|word| LOWER.contains(&word.as_str()) || TELLING.contains(&word.as_str()))
}

/// How much a metric says, the smallest most: those of held-out data come before others, and those of training last.
pub(crate) fn rank(key: &str, dataset: Option<&str>) -> (usize, usize) {
    let whole = format!("{key} {}", dataset.unwrap_or_default());
    let any = |names: &[&str]| words(&whole).any(|word| names.contains(&word.as_str()));
    let part = if any(&["train", "training"]) {
        2
    } else if any(&["val", "valid", "validation", "test", "eval", "holdout"]) {
        0
    } else {
        1
    };
    let telling = words(key).filter_map(|word| TELLING.iter().position(|known| *known == word)).min();
    match telling {
        Some(place) => (part, place),
        // What says nothing by its name comes after all that does.
        None => (3, TELLING.len()),
    }
}

/// `val_F1-score` has the words `val`, `f1` and `score`; `valAuc` has `val` and `auc`.
fn words(key: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(key.len() + 4);
    let mut last_small = false;
    for c in key.chars() {
        if c.is_uppercase() && last_small {
            spaced.push(' ');
        }
        last_small = c.is_lowercase();
        spaced.extend(c.to_lowercase());
    }
    let words: Vec<String> = spaced
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_of_an_error_is_better() {
        for key in ["loss", "val_loss", "test/RMSE", "valLoss", "mean squared error", "inference_ms"] {
            assert!(!higher_is_better(key), "{key}");
        }
        for key in ["auc", "val_auc", "accuracy", "glossary", "timeliness"] {
            assert!(higher_is_better(key), "{key}");
        }
    }

    #[test]
    fn a_latency_is_told_by_its_name() {
        for key in
            ["latency_ms", "p95_latency", "latency/mean", "inference_time", "predictMs", "response time"]
        {
            assert!(is_latency(key), "{key}");
        }
        for key in ["time", "train_seconds", "prediction", "response_length", "translatency"] {
            assert!(!is_latency(key), "{key}");
        }
    }

    #[test]
    fn a_threshold_is_neither_better_nor_worse() {
        assert!(has_direction("val_auc") && has_direction("loss"));
        assert!(!has_direction("threshold") && !has_direction("epoch"));
    }

    #[test]
    fn what_was_held_out_says_most() {
        let mut keys = ["train_auc", "epoch", "val_loss", "val_auc", "auc"];
        keys.sort_by_key(|key| rank(key, None));
        assert_eq!(keys, ["val_auc", "val_loss", "auc", "train_auc", "epoch"]);
        assert!(rank("auc", Some("holdout 2026")) < rank("auc", None));
    }
}
