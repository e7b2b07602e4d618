//! A filter that was read: what is compared, how, and where it stood.

use std::ops::Range;

/// A filter as it was meant, before any entity gives it a meaning.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// One comparison.
    Clause(Clause),
    /// A word by itself, looked for in what people read of a thing. Only Slipway's own table knows it.
    Word(Word),
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What is looked for, whatever its case.
    pub text: String,
    /// Where it stands.
    pub span: Range<usize>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// What is compared.
    pub field: Field,
    /// How.
    pub op: Op,
    /// With what.
    pub value: Value,
    /// Where the operator stands.
    pub op_span: Range<usize>,
    /// Where the value stands.
    pub value_span: Range<usize>,
}

/// What is compared, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The part before the first dot, if there is one: `metrics`, `tags`, …
    pub entity: Option<String>,
    /// The rest.
    pub key: String,
    /// Which number of a metric's history, where it is said. Only Slipway's own table knows it.
    pub part: Option<Part>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// A number that stands for a metric's history, as in `metrics.loss.min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The latest value.
    Last,
    /// The value at the smallest step.
    First,
    /// The smallest finite value.
    Min,
    /// The largest finite value.
    Max,
    /// The smallest or the largest, whichever is better.
    Best,
}

impl Part {
    /// All of them, in the order in which people want them.
    pub(crate) const ALL: [Self; 5] = [Self::Best, Self::Min, Self::Max, Self::Last, Self::First];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Min => "min",
            Self::Max => "max",
            Self::Best => "best",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == text)
    }
}

impl Field {
    /// Whether it names a metric.
    pub(crate) fn is_metric(&self) -> bool {
        matches!(self.entity.as_deref(), Some("metrics" | "metric"))
    }
}

/// Ways to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    ILike,
    /// `~`: a regular expression is found in the text. Only Slipway's own table knows it.
    Matches,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

impl Op {
    /// True for the six comparisons that numbers have.
    pub(crate) fn is_ordering(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// The answer of one of these six. NaN is unequal to everything, itself included.
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
            _ => false,
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Like => "LIKE",
            Self::ILike => "ILIKE",
            Self::Matches => "~",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Unquoted number.
    Number(f64),
    /// Text in single quotes.
    Text(String),
    /// Text in double quotes; the same as [`Value::Text`] but for logged models.
    DoubleQuoted(String),
    /// A span of time such as `2h`, in milliseconds.
    Span(f64),
    /// A time counted from now, such as `-7d`, in milliseconds.
    FromNow(f64),
    /// A time in milliseconds since 1970: what [`Value::FromNow`] becomes when it is known when now is.
    Moment(f64),
    /// Texts of an IN list.
    List(Vec<String>),
    /// IS NULL has none.
    Nothing,
}

impl Expr {
    /// Counts from `now_ms` what is to be counted from now.
    #[must_use]
    pub(crate) fn counted_from(self, now_ms: i64) -> Self {
        let all = |parts: Vec<Self>| parts.into_iter().map(|part| part.counted_from(now_ms)).collect();
        match self {
            Self::And(parts) => Self::And(all(parts)),
            Self::Or(parts) => Self::Or(all(parts)),
            Self::Not(inner) => Self::Not(Box::new(inner.counted_from(now_ms))),
            Self::Clause(mut clause) => {
                if let Value::FromNow(ms) = clause.value {
                    clause.value = Value::Moment((now_ms as f64 + ms).round());
                }
                Self::Clause(clause)
            }
            Self::Word(_) => self,
        }
    }

    /// True when one of the clauses fulfils `test`.
    pub(crate) fn any(&self, test: &dyn Fn(&Clause) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.any(test)),
            Self::Not(inner) => inner.any(test),
            Self::Clause(clause) => test(clause),
            Self::Word(_) => false,
        }
    }

    /// All comparisons, from left to right.
    pub(crate) fn clauses(&self) -> Vec<&Clause> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::clauses).collect(),
            Self::Not(inner) => inner.clauses(),
            Self::Clause(clause) => vec![clause],
            Self::Word(_) => Vec::new(),
        }
    }

    /// The same, to be altered.
    pub(crate) fn clauses_mut(&mut self) -> Vec<&mut Clause> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().flat_map(Self::clauses_mut).collect(),
            Self::Not(inner) => inner.clauses_mut(),
            Self::Clause(clause) => vec![clause],
            Self::Word(_) => Vec::new(),
        }
    }

    /// True when a word by itself is looked for.
    pub(crate) fn has_word(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::has_word),
            Self::Not(inner) => inner.has_word(),
            Self::Clause(_) => false,
            Self::Word(_) => true,
        }
    }
}
