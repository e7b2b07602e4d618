//! Which end of a metric is the good one, as its name suggests. The page guesses by the same words, so that a filter by
//! `.best` looks at the values that the table shows as the best.

use crate::reader::Reduce;

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Lower,
    Higher,
}

const LOWER: &[&str] = &[
    "loss",
    "losses",
    "err",
    "error",
    "errors",
    "mae",
    "mse",
    "rmse",
    "rmsle",
    "mape",
    "smape",
    "wer",
    "cer",
    "per",
    "fid",
    "kid",
    "nll",
    "bpb",
    "bpc",
    "ppl",
    "perplexity",
    "logloss",
    "crossentropy",
    "entropy",
    "ece",
    "brier",
    "eer",
    "fpr",
    "fnr",
    "latency",
    "lpips",
    "kl",
    "kld",
    "cost",
    "regret",
    "hamming",
    "miss",
    "hinge",
    "distance",
    "divergence",
    "deviance",
    "aic",
    "bic",
    "ter",
    "residual",
    "duration",
    "seconds",
    "ms",
];

const HIGHER: &[&str] = &[
    "acc",
    "accuracy",
    "auc",
    "auroc",
    "auprc",
    "aucpr",
    "roc",
    "f1",
    "fbeta",
    "f2",
    "precision",
    "recall",
    "ap",
    "map",
    "ndcg",
    "mrr",
    "hit",
    "hits",
    "iou",
    "miou",
    "dice",
    "jaccard",
    "bleu",
    "rouge",
    "meteor",
    "cider",
    "score",
    "r2",
    "reward",
    "return",
    "returns",
    "psnr",
    "ssim",
    "tpr",
    "tnr",
    "sensitivity",
    "specificity",
    "mcc",
    "kappa",
    "correlation",
    "pearson",
    "spearman",
    "top1",
    "top5",
    "throughput",
    "win",
    "winrate",
    "success",
    "gini",
    "likelihood",
    "correct",
    "exact",
    "em",
    "pass",
    "explained",
];

const LOWER_ENDINGS: &[&str] = &["loss", "error", "err", "rmse", "mae", "mse"];
const HIGHER_ENDINGS: &[&str] = &["acc", "accuracy", "auc", "score"];

impl Direction {
    /// By the words in a name, the last of them first: `val/loss`, `f1_macro`, `top-5 accuracy`, `valLoss`. None where
    /// no word says it.
    pub(crate) fn of(metric: &str) -> Option<Self> {
        if metric.starts_with("system/") {
            return None;
        }
        let words = words(metric);
        let found = words.iter().rev().find_map(|word| Self::of_word(word))?;
        // `neg_mse` grows.
        let negative = words.iter().any(|word| word == "neg" || word == "negative");
        Some(if negative { found.opposite() } else { found })
    }

    fn of_word(word: &str) -> Option<Self> {
        let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
        // `log_likelihood` grows, `logloss` falls.
        if LOWER.contains(&word) {
            Some(Self::Lower)
        } else if HIGHER.contains(&word) {
            Some(Self::Higher)
        } else if ends(LOWER_ENDINGS) {
            Some(Self::Lower)
        } else {
            ends(HIGHER_ENDINGS).then_some(Self::Higher)
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Lower => Self::Higher,
            Self::Higher => Self::Lower,
        }
    }

    /// The number of a history that is its best.
    pub(crate) fn best(self) -> Reduce {
        match self {
            Self::Lower => Reduce::Min,
            Self::Higher => Reduce::Max,
        }
    }
}

/// In lower case; a capital after a small letter or a digit begins a word.
fn words(metric: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(metric.len() + 4);
    let mut last = ' ';
    for c in metric.chars() {
        if c.is_ascii_uppercase() && (last.is_ascii_lowercase() || last.is_ascii_digit()) {
            spaced.push(' ');
        }
        spaced.push(c.to_ascii_lowercase());
        last = c;
    }
    let words = spaced.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_better() {
        use Direction::{Higher, Lower};
        let cases = [
            ("val/loss", Some(Lower)),
            ("valLoss", Some(Lower)),
            ("logloss", Some(Lower)),
            ("log_likelihood", Some(Higher)),
            ("f1_macro", Some(Higher)),
            ("top-5 accuracy", Some(Higher)),
            ("neg_mean_squared_error", Some(Higher)),
            ("trainloss", Some(Lower)),
            ("epoch", None),
            ("system/cpu_error", None),
            ("\u{e4}", None),
            ("", None),
        ];
        for (name, direction) in cases {
            assert_eq!(Direction::of(name), direction, "{name}");
        }
    }

    /// Two guesses at one thing must not drift apart.
    #[test]
    fn the_page_knows_the_same_words() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/src/runset/directions.ts");
        let page = std::fs::read_to_string(path).unwrap();
        let words_of = |name: &str| {
            let from = page.split(&format!("const {name} = new Set([")).nth(1).unwrap();
            let set = from.split("])").next().unwrap();
            set.split('\'').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words_of("LOWER"), LOWER);
        assert_eq!(words_of("HIGHER"), HIGHER);
        for endings in [LOWER_ENDINGS, HIGHER_ENDINGS] {
            assert!(page.contains(&format!("/({})$/", endings.join("|"))), "{endings:?}");
        }
    }
}
