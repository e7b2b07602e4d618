//! Random filters over given fields, from a small number that names them.

use crate::search::{Clause, Expr, Field, Op, Value};

/// A source of numbers that are the same for the same seed.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % sides
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    pub(super) fn maybe<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!self.once_in(3)).then(|| self.pick(from))
    }
}

/// Texts that tend to break things. None has both kinds of quotes.
pub(super) const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "\u{e4}",
    "\u{c4}b",
    "ab",
    "aB",
    "a_b",
    "a%b",
    "x'y",
    "x\"y",
    "10",
    "9",
    "1e1",
    " 10 ",
    "NaN",
    "inf",
    "0.5",
    "-0",
    "0",
    "true",
    "\u{1f600}",
    "a b",
    "null",
    "zzz",
    "1.0",
];

const PATTERNS: &[&str] =
    &["%", "_", "a%", "%b", "A_B", "\u{e4}", "\u{c4}%", "_%_", "", "%1%", "a\\_b", "x'%", "__", "%%a%%"];

pub(super) const NUMBERS: &[f64] =
    &[0.0, -0.0, 1.0, 1.5, -2.0, 1e300, 0.5, 10.0, 9.0, f64::INFINITY, f64::NEG_INFINITY, 3.0, 1e-9];

pub(super) const TIMES: &[i64] = &[0, 1, 2, 5, 1000, 86_400_000, 172_800_000, -5, 1_793_491_200_000];

const DATES: &[&str] =
    &["1970-01-01", "1970-01-02", "1970-01-01T00:00:00.002Z", "2026-11-01", "1970-01-03T01:00+01:00"];

/// What may be asked of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Param,
    /// Without null tests.
    Metric,
    Time,
    /// Compared with `=` and `!=` only.
    Flag,
    /// Whole numbers, with or without quotes.
    Whole,
}

/// A field of a kind of thing: the entities it may be written with, and its key.
pub(super) type Known = (&'static [Option<&'static str>], &'static str, Kind);

pub(super) fn field(dice: &mut Dice, known: &Known) -> Field {
    Field { entity: dice.pick(known.0).map(str::to_owned), key: known.1.to_owned(), part: None, span: 0..0 }
}

fn clause(dice: &mut Dice, fields: &[Known]) -> Expr {
    let known = dice.pick(fields);
    let text = |dice: &mut Dice, from: &[&str]| {
        let text = dice.pick(from).to_owned();
        // Quotes inside decide which ones go around.
        match (text.contains('\''), text.contains('"')) {
            (true, _) => Value::DoubleQuoted(text),
            (_, true) => Value::Text(text),
            _ if dice.once_in(2) => Value::Text(text),
            _ => Value::DoubleQuoted(text),
        }
    };
    let ordering = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge];
    let number = |dice: &mut Dice| Value::Number(dice.pick(NUMBERS));
    let null = [Op::IsNull, Op::IsNotNull];
    // Several conditions on one field, which `sugared` writes as one.
    if matches!(known.2, Kind::Metric | Kind::Time | Kind::Param) && dice.once_in(5) {
        let field = field(dice, &known);
        let value = |dice: &mut Dice| match known.2 {
            Kind::Time => Value::Number(dice.pick(TIMES) as f64),
            _ => number(dice),
        };
        let one = |op: Op, value: Value| {
            Expr::Clause(Clause { field: field.clone(), op, value, op_span: 0..0, value_span: 0..0 })
        };
        let (low, high) = (value(dice), value(dice));
        return match dice.roll(4) {
            0 => Expr::And(vec![one(Op::Ge, low), one(Op::Le, high)]),
            1 => Expr::Or(vec![one(Op::Lt, low), one(Op::Gt, high)]),
            2 => Expr::Or(vec![one(Op::Eq, low), one(Op::Eq, high), one(Op::Eq, value(dice))]),
            _ => Expr::And(vec![one(Op::Ne, low), one(Op::Ne, high)]),
        };
    }
    let (op, value) = match (known.2, dice.roll(6)) {
        (Kind::Text | Kind::Param, 0) => (dice.pick(&null), Value::Nothing),
        (Kind::Param, 1 | 2) => (dice.pick(&ordering), number(dice)),
        (Kind::Text | Kind::Param, 3) => (dice.pick(&[Op::Like, Op::ILike]), text(dice, PATTERNS)),
        (Kind::Text | Kind::Param, 4) => {
            let count = 1 + dice.roll(12);
            let list = (0..count).map(|_| dice.pick(TEXTS).to_owned()).collect();
            (dice.pick(&[Op::In, Op::NotIn]), Value::List(list))
        }
        (Kind::Text | Kind::Param, _) => (dice.pick(&[Op::Eq, Op::Ne]), text(dice, TEXTS)),
        (Kind::Flag, _) => (dice.pick(&[Op::Eq, Op::Ne]), text(dice, &["true", "TRUE", "false"])),
        (Kind::Metric, _) => (dice.pick(&ordering), number(dice)),
        (Kind::Time, 0) => (dice.pick(&ordering), text(dice, DATES)),
        (Kind::Time, _) => (dice.pick(&ordering), Value::Number(dice.pick(TIMES) as f64)),
        (Kind::Whole, 0) => (dice.pick(&ordering), text(dice, &["1", "2", "-3"])),
        (Kind::Whole, _) => (dice.pick(&ordering), Value::Number(dice.roll(4) as f64)),
    };
    Expr::Clause(Clause { field: field(dice, &known), op, value, op_span: 0..0, value_span: 0..0 })
}

/// The filter as people write it: several conditions on one field as BETWEEN or IN.
pub(super) fn sugared(expr: &Expr) -> String {
    let joined = |parts: &[Expr], word: &str| {
        parts.iter().map(|part| format!("({})", sugared(part))).collect::<Vec<_>>().join(word)
    };
    match expr {
        Expr::And(parts) => short(parts, "BETWEEN", [Op::Ge, Op::Le], "NOT IN", Op::Ne)
            .unwrap_or_else(|| joined(parts, " AND ")),
        Expr::Or(parts) => short(parts, "NOT BETWEEN", [Op::Lt, Op::Gt], "IN", Op::Eq)
            .unwrap_or_else(|| joined(parts, " OR ")),
        Expr::Not(inner) => format!("NOT ({})", sugared(inner)),
        Expr::Clause(_) | Expr::Word(_) => expr.to_string(),
    }
}

fn short(parts: &[Expr], range: &str, ends: [Op; 2], list: &str, one: Op) -> Option<String> {
    let clauses: Vec<&Clause> = parts
        .iter()
        .map(|part| match part {
            Expr::Clause(clause) if matches!(clause.value, Value::Number(_)) => Some(clause),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let first = clauses.first()?;
    if clauses.iter().any(|Clause { field, .. }| {
        (&field.key, &field.entity, field.part) != (&first.field.key, &first.field.entity, first.field.part)
    }) {
        return None;
    }
    // `field = value` without the value: the field as it is written.
    let bare = Expr::Clause(Clause { op: Op::IsNull, value: Value::Nothing, ..(*first).clone() }).to_string();
    let field = bare.strip_suffix(" IS NULL NULL").or_else(|| bare.strip_suffix(" IS NULL"))?.to_owned();
    let ops: Vec<Op> = clauses.iter().map(|clause| clause.op).collect();
    if ops == ends {
        return Some(format!("{field} {range} {} AND {}", clauses[0].value, clauses[1].value));
    }
    let values: Vec<String> = clauses.iter().map(|clause| clause.value.to_string()).collect();
    ops.iter().all(|op| *op == one).then(|| format!("{field} {list} [{}]", values.join(", ")))
}

/// A filter over some of the fields.
pub(super) fn filter(dice: &mut Dice, fields: &[Known], depth: usize) -> Expr {
    let several = |dice: &mut Dice| {
        let count = 2 + dice.roll(2);
        (0..count).map(|_| filter(dice, fields, depth - 1)).collect::<Vec<_>>()
    };
    match dice.roll(6) {
        0 | 1 if depth > 0 => Expr::And(several(dice)),
        2 if depth > 0 => Expr::Or(several(dice)),
        3 if depth > 0 => Expr::Not(Box::new(filter(dice, fields, depth - 1))),
        _ => clause(dice, fields),
    }
}
