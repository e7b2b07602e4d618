//! JSON that is a confusion matrix, a curve or a histogram, in the shapes that `docs/media.md` names.

use serde_json::Value;
use slipway_stats::{average_precision, trapezoid_area};

const MAX_LABELS: usize = 200;
const MAX_BINS: usize = 2_000;
/// More points than pixels show nothing.
const MAX_POINTS: usize = 1_000;
/// Shapes in one file.
const MAX_SHAPES: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Confusion(Confusion),
    Curve(Curve),
    Histogram(Histogram),
}

/// How often each class (row) was taken for each class (column).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Confusion {
    pub(crate) labels: Vec<String>,
    pub(crate) matrix: Vec<Vec<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CurveKind {
    /// Over the false positive rate, the true positive rate.
    Roc,
    /// Over the recall, the precision.
    PrecisionRecall,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) kind: CurveKind,
    pub(crate) x: Vec<f64>,
    pub(crate) y: Vec<f64>,
    /// Area under it, over all points: by trapezoids, or the average precision.
    pub(crate) area: Option<f64>,
}

/// Counts between edges, of which there is one more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) edges: Vec<f64>,
    pub(crate) counts: Vec<f64>,
}

/// The shapes in a document, each with its step if it names one. A document is one shape, a list of shapes, or holds
/// them by the names that Kubeflow Pipelines gives them.
pub(super) fn read(json: &Value) -> Vec<(Option<i64>, Shape)> {
    let one = |value: &Value| {
        let step = value.get("step").and_then(Value::as_i64);
        shapes(value).into_iter().map(|shape| (step, shape)).collect::<Vec<_>>()
    };
    match json {
        Value::Array(list) if !list.iter().any(|item| item.get("confidenceThreshold").is_some()) => {
            list.iter().take(MAX_SHAPES).flat_map(one).collect()
        }
        other => one(other),
    }
}

fn shapes(value: &Value) -> Vec<Shape> {
    let curve = |x: &str, y: &str, kind| {
        Some(Shape::Curve(curve(kind, numbers(value.get(x)?)?, numbers(value.get(y)?)?)?))
    };
    let found = [
        confusion(value).map(Shape::Confusion),
        kfp_confusion(value).map(Shape::Confusion),
        curve("fpr", "tpr", CurveKind::Roc),
        curve("recall", "precision", CurveKind::PrecisionRecall),
        kfp_curve(value).map(Shape::Curve),
        histogram(value).map(Shape::Histogram),
    ];
    found.into_iter().flatten().collect()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(number).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `{"labels": [...], "matrix": [[...]]}`; without labels the classes are numbered.
fn confusion(value: &Value) -> Option<Confusion> {
    let rows: Vec<Vec<f64>> = value.get("matrix")?.as_array()?.iter().map(numbers).collect::<Option<_>>()?;
    let labels = match value.get("labels") {
        Some(labels) => labels.as_array()?.iter().map(text).collect(),
        None => (0..rows.len()).map(|class| class.to_string()).collect(),
    };
    square(labels, rows)
}

fn square(labels: Vec<String>, matrix: Vec<Vec<f64>>) -> Option<Confusion> {
    let size = labels.len();
    let fits = (1..=MAX_LABELS).contains(&size) && matrix.len() == size;
    (fits && matrix.iter().all(|row| row.len() == size)).then_some(Confusion { labels, matrix })
}

/// What Kubeflow Pipelines puts around a structure or a list when it stores it.
fn unwrapped<'a>(value: &'a Value, key: &str) -> &'a Value {
    let inner = value.get(key).unwrap_or(value);
    inner.get("struct").or_else(|| inner.get("list")).unwrap_or(inner)
}

/// `{"annotationSpecs": [{"displayName": "a"}, ...], "rows": [{"row": [...]}, ...]}`, below `confusionMatrix` or not.
fn kfp_confusion(value: &Value) -> Option<Confusion> {
    let value = unwrapped(value, "confusionMatrix");
    let specs = value.get("annotationSpecs")?.as_array()?;
    let labels = specs.iter().map(|spec| spec.get("displayName").map(text)).collect::<Option<_>>()?;
    let row = |row: &Value| numbers(row.get("row").unwrap_or(row));
    let rows = value.get("rows")?.as_array()?.iter().map(row).collect::<Option<_>>()?;
    square(labels, rows)
}

/// `[{"confidenceThreshold": 0.5, "recall": 0.8, "falsePositiveRate": 0.1}, ...]`, below `confidenceMetrics` or not.
fn kfp_curve(value: &Value) -> Option<Curve> {
    let points = unwrapped(value, "confidenceMetrics").as_array()?;
    let read =
        |key: &str| points.iter().map(|point| point.get(key).and_then(number)).collect::<Option<Vec<_>>>();
    curve(CurveKind::Roc, read("falsePositiveRate")?, read("recall")?)
}

fn curve(kind: CurveKind, x: Vec<f64>, y: Vec<f64>) -> Option<Curve> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let area = match kind {
        CurveKind::Roc => trapezoid_area(&x, &y),
        CurveKind::PrecisionRecall => average_precision(&x, &y),
    };
    Some(Curve { kind, area, x: thinned(&x), y: thinned(&y) })
}

/// Evenly chosen points, with the first and the last.
fn thinned(values: &[f64]) -> Vec<f64> {
    if values.len() <= MAX_POINTS {
        return values.to_vec();
    }
    (0..MAX_POINTS).map(|place| values[place * (values.len() - 1) / (MAX_POINTS - 1)]).collect()
}

/// `{"edges": [...], "counts": [...]}`, also with numpy's word `bin_edges`.
fn histogram(value: &Value) -> Option<Histogram> {
    let edges = numbers(value.get("edges").or_else(|| value.get("bin_edges"))?)?;
    let counts = numbers(value.get("counts").or_else(|| value.get("hist"))?)?;
    let rises = edges.windows(2).all(|pair| pair[0] < pair[1]);
    let fits = (1..=MAX_BINS).contains(&counts.len()) && edges.len() == counts.len() + 1;
    (fits && rises).then_some(Histogram { edges, counts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_shapes_are_read() {
        let plain = read(&json!({ "labels": ["cat", 1], "matrix": [[5, 1], [2, 9]], "step": 3 }));
        let expected = Confusion {
            labels: vec!["cat".to_owned(), "1".to_owned()],
            matrix: vec![vec![5.0, 1.0], vec![2.0, 9.0]],
        };
        assert_eq!(plain, [(Some(3), Shape::Confusion(expected))]);
        let both =
            read(&json!({ "fpr": [0, 0, 1], "tpr": [0, 1, 1], "precision": [1, 0.5], "recall": [0, 1] }));
        assert_eq!(both.len(), 2);
        assert!(
            matches!(&both[0].1, Shape::Curve(Curve { kind: CurveKind::Roc, area: Some(area), .. }) if *area == 1.0)
        );
        let many = read(&json!([
            { "step": 0, "edges": [0, 1, 2], "counts": [3, 4] },
            { "step": 10, "bin_edges": [0, 1, 2], "hist": [1, 6] },
        ]));
        assert_eq!(many.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [Some(0), Some(10)]);
    }

    #[test]
    fn what_kubeflow_writes_is_read() {
        let matrix = json!({ "annotationSpecs": [{ "displayName": "a" }, { "displayName": "b" }],
                             "rows": [{ "row": [1, 2] }, { "row": [3, 4] }] });
        let points = json!([
            { "confidenceThreshold": 1.0, "recall": 0.0, "falsePositiveRate": 0.0 },
            { "confidenceThreshold": 0.5, "recall": 0.5, "falsePositiveRate": 0.5 },
            { "confidenceThreshold": 0.0, "recall": 1.0, "falsePositiveRate": 1.0 },
        ]);
        for wrapped in [
            matrix.clone(),
            json!({ "confusionMatrix": matrix }),
            json!({ "confusionMatrix": { "struct": matrix } }),
        ] {
            assert!(
                matches!(&read(&wrapped)[..], [(None, Shape::Confusion(found))] if found.matrix[1][0] == 3.0)
            );
        }
        for wrapped in [
            points.clone(),
            json!({ "confidenceMetrics": points }),
            json!({ "confidenceMetrics": { "list": points } }),
        ] {
            assert!(
                matches!(&read(&wrapped)[..], [(None, Shape::Curve(found))] if found.area == Some(0.5)),
                "{wrapped}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_no_shape() {
        for odd in [
            json!(null),
            json!([]),
            json!({ "labels": ["a"], "matrix": [[1, 2]] }),
            json!({ "labels": [], "matrix": [] }),
            json!({ "labels": ["a"], "matrix": [["x"]] }),
            json!({ "labels": vec!["a"; 500], "matrix": vec![vec![1; 500]; 500] }),
            json!({ "fpr": [0, 1], "tpr": [0] }),
            json!({ "fpr": [0], "tpr": [0] }),
            json!({ "edges": [0, 1], "counts": [1, 2] }),
            json!({ "edges": [1, 0], "counts": [1] }),
            json!({ "columns": ["precision"], "data": [[1]] }),
        ] {
            assert_eq!(read(&odd), [], "{odd}");
        }
    }

    #[test]
    fn long_curves_are_thinned_and_their_area_is_not() {
        let x: Vec<f64> = (0..50_000).map(|i| f64::from(i) / 49_999.0).collect();
        let found = read(&json!({ "fpr": x, "tpr": x }));
        let Some((_, Shape::Curve(curve))) = found.first() else { panic!("no curve: {found:?}") };
        assert_eq!((curve.x.len(), curve.x[0], curve.x[999]), (1_000, 0.0, 1.0));
        assert!((curve.area.unwrap_or_default() - 0.5).abs() < 1e-9);
    }
}
