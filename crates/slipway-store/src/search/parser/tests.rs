//! What filters are read as, and where their errors point.

use super::*;

use proptest::prelude::*;

/// A short rendering for assertions.
fn show(expr: &Expr) -> String {
    let join =
        |parts: &[Expr], word: &str| format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(word));
    match expr {
        Expr::And(parts) => join(parts, " and "),
        Expr::Or(parts) => join(parts, " or "),
        Expr::Not(inner) => format!("not {}", show(inner)),
        Expr::Word(word) => format!("word {:?}", word.text),
        Expr::Clause(clause) => {
            let entity = clause.field.entity.as_deref().unwrap_or("-");
            format!("{entity}:{} {} {:?}", clause.field.key, clause.op.as_str(), clause.value)
        }
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(show(&parse(text).unwrap().unwrap()), expected, "{text}");
}

fn check_error(text: &str, at: &str) {
    let error = parse(text).unwrap_err();
    let span = error.span.clone().unwrap();
    assert_eq!(&text[span], at, "{text}: {error}");
}

#[test]
fn reads_what_mlflow_reads() {
    check("metrics.loss < 0.3", "metrics:loss < Number(0.3)");
    check("status='RUNNING'", "-:status = Text(\"RUNNING\")");
    check("params.`a b` != \"x\"", "params:a b != DoubleQuoted(\"x\")");
    check("tags.\"my-key\" LIKE '%x%'", "tags:my-key LIKE Text(\"%x%\")");
    check("tag.mlflow.parentRunId = 'x'", "tag:mlflow.parentRunId = Text(\"x\")");
    check("metrics.val/loss >= -1.5e-3", "metrics:val/loss >= Number(-0.0015)");
    check("run_id IN ('a', \"b\")", "-:run_id IN List([\"a\", \"b\"])");
    check("run_id not in ('a')", "-:run_id NOT IN List([\"a\"])");
    check(
        "params.x is not null and tags.y IS NULL",
        "(params:x IS NOT NULL Nothing and tags:y IS NULL Nothing)",
    );
    check("`run name` = 'x'", "-:run name = Text(\"x\")");
    assert_eq!(parse("").unwrap(), None);
}

#[test]
fn reads_more_than_mlflow() {
    check(
        "a = 'x' or b = 'y' and not (c = 'z' or d = 'w')",
        "(-:a = Text(\"x\") or (-:b = Text(\"y\") and not (-:c = Text(\"z\") or -:d = Text(\"w\"))))",
    );
    check("params.lr > 1e-4", "params:lr > Number(0.0001)");
}

#[test]
fn lists_ranges_and_spans_are_several_conditions() {
    check("params.o in ['a', \"b\"]", "params:o IN List([\"a\", \"b\"])");
    check("metrics.m IN (1, 2e1)", "(metrics:m = Number(1.0) or metrics:m = Number(20.0))");
    check("metrics.m not in [1]", "metrics:m != Number(1.0)");
    check(
        "params.lr between 1e-4 and 1e-3 and params.x = 'y'",
        "((params:lr >= Number(0.0001) and params:lr <= Number(0.001)) and params:x = Text(\"y\"))",
    );
    check(
        "not duration not between 30s and 1.5h",
        "not (-:duration < Span(30000.0) or -:duration > Span(5400000.0))",
    );
    check("start_time > -7d", "-:start_time > FromNow(-604800000.0)");
    // They are names where a name is expected.
    check("between = 'x' and tags.in = 'y'", "(-:between = Text(\"x\") and tags:in = Text(\"y\"))");
    check_error("metrics.m between 1 or 2", "or");
    check_error("metrics.m between 1", "");
    check_error("metrics.m in [1, 2)", ")");
    check_error("metrics.m in (1, b)", "b");
    check_error("a in []", "]");
    let Some(Expr::Clause(clause)) =
        parse("start_time > -1d").unwrap().map(|expr| expr.counted_from(90_000_000))
    else {
        panic!("one clause");
    };
    assert_eq!(clause.value, Value::Moment(3_600_000.0));
}

/// As [`check`], for a filter of Slipway's own table.
fn check_table(text: &str, expected: &str) {
    assert_eq!(show(&parse_table(text).unwrap().unwrap()), expected, "{text}");
    let written = parse_table(text).unwrap().unwrap().to_string();
    assert_eq!(show(&parse_table(&written).unwrap().unwrap()), expected, "{text} was written as {written}");
}

#[test]
fn people_write_less_in_their_own_table() {
    check_table("state = running", "-:state = Text(\"running\")");
    check_table("optimizer in [adamw, 'lion']", "-:optimizer IN List([\"adamw\", \"lion\"])");
    check_table(
        "metrics.f1 < 2 and not tags.debug",
        "(metrics:f1 < Number(2.0) and not tags:debug IS NOT NULL Nothing)",
    );
    check_table("(tags.`a b`) or x = 1", "(tags:a b IS NOT NULL Nothing or -:x = Number(1.0))");
    check_table("fraud", "word \"fraud\"");
    check_table("resnet.v2 AND not 'two words'", "(word \"resnet.v2\" and not word \"two words\")");
    check_table("name ~ 'seed-\\d+'", "-:name ~ Text(\"seed-\\\\d+\")");
    for text in ["fraud", "tags.debug", "a ~ 'x'", "status = RUNNING", "tags.a in [b]"] {
        assert!(parse(text).is_err(), "{text} is not MLflow's");
    }
    for (text, at) in [("seed and", ""), ("a = and", "and"), ("a b", "b"), ("not", ""), ("a ~", "")] {
        let error = parse_table(text).unwrap_err();
        assert_eq!(&text[error.span.clone().unwrap()], at, "{text}: {error}");
    }
}

#[test]
fn errors_point_at_the_token() {
    check_error("metrics.loss ! 3", "!");
    check_error("metrics.loss < abc", "abc");
    check_error("metrics.loss < 3 garbage", "garbage");
    check_error("tags.a-b = 'x'", "-b");
    check_error("a = 'x", "'x");
    check_error("(a = 'x'", "");
    check_error("a = 'x' AND", "");
    check_error("a = 'x'; drop", ";");
    check_error("a in ()", ")");
    check_error("  ", "  ");
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let text = format!("{}a = 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&text).unwrap_err().message.contains("nested deeper"));
    let text = vec!["a = 'x'"; 5000].join(" AND ");
    assert!(parse(&text).unwrap_err().message.contains("more than 200"));
}

proptest! {
    #[test]
    fn never_panics_and_spans_are_inside(text in "\\PC{0,60}") {
        if let Err(error) = parse(&text) {
            let span = error.span.unwrap();
            prop_assert!(text.get(span).is_some());
        }
    }

    #[test]
    fn never_panics_on_almost_filters(words in proptest::collection::vec(
        prop_oneof![Just("metrics.a"), Just("<"), Just("="), Just("'x'"), Just("1"), Just("and"), Just("not"),
            Just("("), Just(")"), Just("in"), Just(","), Just("is"), Just("null"), Just("between"), Just("["), Just("]"), Just("-7d"), Just("2h"), Just("~"), Just("word"), Just("tags.`"), Just("or")], 0..12)) {
        let text = words.join(" ");
        for read in [parse, parse_table] {
            if let Err(error) = read(&text) {
                prop_assert!(text.get(error.span.unwrap()).is_some());
            }
        }
    }
}
