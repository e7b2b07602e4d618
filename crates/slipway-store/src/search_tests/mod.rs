//! The search language against a slow evaluator of it, on random data and random filters.

mod models;
mod oracle;
mod random;
mod runs;

use crate::search::{Clause, Expr, Field, Word, parse};
use proptest::prelude::*;

/// The same expression without its places.
fn placeless(expr: Expr) -> Expr {
    match expr {
        Expr::And(parts) => Expr::And(parts.into_iter().map(placeless).collect()),
        Expr::Or(parts) => Expr::Or(parts.into_iter().map(placeless).collect()),
        Expr::Not(inner) => Expr::Not(Box::new(placeless(*inner))),
        Expr::Word(word) => Expr::Word(Word { span: 0..0, ..word }),
        Expr::Clause(Clause { field, op, value, .. }) => {
            let field = Field { span: 0..0, ..field };
            Expr::Clause(Clause { field, op, value, op_span: 0..0, value_span: 0..0 })
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seed in any::<u64>()) {
        let fields: &[random::Known] = &[
            (&[None, Some("run")], "start_time", random::Kind::Time),
            (&[Some("metrics")], "not", random::Kind::Metric),
            (&[Some("params")], "a`b", random::Kind::Param),
            (&[None], "like", random::Kind::Text),
            (&[None], "a.b", random::Kind::Text),
            (&[Some("tags")], "x\"y - z", random::Kind::Text),
        ];
        let expr = random::filter(&mut random::Dice(seed), fields, 4);
        let text = expr.to_string();
        let read = parse(&text).map_err(|error| TestCaseError::fail(error.render(&text)))?;
        prop_assert_eq!(read.map(placeless), Some(expr), "{}", text);
    }
}
