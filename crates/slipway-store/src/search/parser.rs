//! Reads tokens into an expression.

use super::lexer::{Kind, Token, lex};
use super::{MAX_CLAUSES, MAX_DEPTH, MAX_LENGTH, MAX_VALUES, SearchError};
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
    /// Where it stands.
    pub span: Range<usize>,
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
        }
    }

    /// True when one of the clauses fulfils `test`.
    pub(crate) fn any(&self, test: &dyn Fn(&Clause) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.any(test)),
            Self::Not(inner) => inner.any(test),
            Self::Clause(clause) => test(clause),
        }
    }
}

/// Reads a filter; `None` when it is empty.
///
/// ```
/// use slipway_store::search::{Expr, parse};
///
/// let filter = parse("metrics.loss < 0.3 AND (params.model = 'gbm' OR tags.team IS NULL)").unwrap();
/// let Some(Expr::And(parts)) = filter else { unreachable!() };
/// assert_eq!(parts.len(), 2);
/// // What was read can be written again.
/// assert_eq!(parts[1].to_string(), "params.model = 'gbm' OR tags.team IS NULL");
/// ```
///
/// # Errors
/// The place of the first token that does not fit, and what was expected there.
pub fn parse(text: &str) -> Result<Option<Expr>, SearchError> {
    if text.len() > MAX_LENGTH {
        return Err(SearchError::new(format!("Invalid filter string: longer than {MAX_LENGTH} bytes"), 0..0));
    }
    if text.is_empty() {
        return Ok(None);
    }
    if text.trim().is_empty() {
        return Err(SearchError::new(
            format!("Invalid filter '{text}'. Could not be parsed."),
            0..text.len(),
        ));
    }
    let mut parser = Parser::new(text)?;
    let expr = parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(Some(expr)),
        Some(token) => Err(SearchError::new(
            format!("Invalid clause(s) in filter string: '{}'", &text[token.span.clone()]),
            token.span.clone(),
        )
        .hint("expected AND, OR or the end of the filter")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    clauses: usize,
    /// Entries of IN lists.
    values: usize,
    /// What would have to follow, where the text ends too early.
    awaited: Option<Expect>,
    /// What was read last of a comparison.
    field: Option<Field>,
    op: Option<Op>,
}

/// What fits at a place of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Field,
    /// In quotes, after `entity.`.
    Key,
    Operator,
    /// After IS.
    Null,
    Value,
    ListOpen,
    ListValue,
    ListNext,
    /// Between the two ends of BETWEEN.
    BetweenAnd,
    /// A closing parenthesis, AND or OR.
    Close,
    /// AND or OR.
    Join,
}

impl Expect {
    fn in_words(self) -> &'static str {
        match self {
            Self::Field => "a field such as metrics.loss, params.lr, tags.team or status",
            Self::Key => "a key in backticks or double quotes",
            Self::Operator => "a comparison such as =, !=, <, LIKE or IS NULL",
            Self::Null => "NULL or NOT NULL",
            Self::Value => "a number, a text in quotes or a span such as -7d",
            Self::ListOpen => "a list in parentheses, such as ('a', 'b')",
            Self::ListValue => "a number or a text in quotes",
            Self::ListNext => "a comma or the end of the list",
            Self::BetweenAnd => "AND and the upper end",
            Self::Close => "a closing parenthesis",
            Self::Join => "AND, OR or the end of the filter",
        }
    }
}

/// What would have to follow the beginning of a filter, with the field and the operator of the comparison it is in;
/// none when the beginning is wrong already.
pub(super) fn awaited(beginning: &str) -> Option<(Expect, Option<Field>, Option<Op>)> {
    let mut parser = Parser::new(beginning).ok()?;
    let expect = match parser.or() {
        Ok(_) if parser.next == parser.tokens.len() => Expect::Join,
        Ok(_) => return None,
        Err(_) => parser.awaited?,
    };
    Some((expect, parser.field, parser.op))
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SearchError> {
        Ok(Self {
            text,
            tokens: lex(text)?,
            next: 0,
            depth: 0,
            clauses: 0,
            values: 0,
            awaited: None,
            field: None,
            op: None,
        })
    }

    fn or(&mut self) -> Result<Expr, SearchError> {
        let mut parts = vec![self.and()?];
        while self.take_keyword("OR") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, SearchError> {
        let mut parts = vec![self.not()?];
        while self.take_keyword("AND") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, SearchError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SearchError::new(
                format!("Invalid filter string: nested deeper than {MAX_DEPTH} levels"),
                self.here(),
            ));
        }
        let expr = if self.negates() {
            self.next += 1;
            Expr::Not(Box::new(self.not()?))
        } else if self.take(&Kind::Open) {
            let inner = self.or()?;
            if !self.take(&Kind::Close) {
                return Err(self.unexpected(Expect::Close));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// True at a NOT that negates what follows, not at a field named `not`.
    fn negates(&self) -> bool {
        self.is_keyword(self.next, "NOT")
            && !matches!(self.tokens.get(self.next + 1).map(|token| &token.kind), Some(Kind::Operator(_)))
    }

    /// A condition; BETWEEN and lists of numbers are several.
    fn comparison(&mut self) -> Result<Expr, SearchError> {
        self.count_clause()?;
        let field = self.field()?;
        let op_start = self.here();
        self.field = Some(field.clone());
        if let Some(inside) = self.between() {
            self.op = Some(Op::Ge);
            return self.bounds(&field, inside, op_start.start..self.end());
        }
        let op = self.op(&field)?;
        self.op = Some(op);
        let op_span = op_start.start..self.end();
        let value_start = self.here().start;
        let value = match op {
            Op::IsNull | Op::IsNotNull => Value::Nothing,
            Op::In | Op::NotIn => return self.among(field, op, op_span),
            _ => self.value(Expect::Value)?,
        };
        let value_span = value_start..self.end();
        Ok(Expr::Clause(Clause { field, op, value, op_span, value_span }))
    }

    fn count_clause(&mut self) -> Result<(), SearchError> {
        self.clauses += 1;
        if self.clauses > MAX_CLAUSES {
            return Err(SearchError::new(
                format!("Invalid filter string: more than {MAX_CLAUSES} conditions"),
                self.here(),
            ));
        }
        Ok(())
    }

    /// Where the token before this place ends.
    fn end(&self) -> usize {
        self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    /// At BETWEEN: true, at NOT BETWEEN: false.
    fn between(&mut self) -> Option<bool> {
        let negated = usize::from(self.is_keyword(self.next, "NOT"));
        if !self.is_keyword(self.next + negated, "BETWEEN") {
            return None;
        }
        self.next += negated + 1;
        Some(negated == 0)
    }

    /// What follows BETWEEN: both ends count as inside.
    fn bounds(&mut self, field: &Field, inside: bool, op_span: Range<usize>) -> Result<Expr, SearchError> {
        self.count_clause()?;
        let bound = |parser: &mut Self, op: Op| {
            let start = parser.here().start;
            let value = parser.value(Expect::Value)?;
            let value_span = start..parser.end();
            Ok(Expr::Clause(Clause { field: field.clone(), op, value, op_span: op_span.clone(), value_span }))
        };
        let low = bound(self, if inside { Op::Ge } else { Op::Lt })?;
        if !self.take_keyword("AND") {
            return Err(self.unexpected(Expect::BetweenAnd));
        }
        let high = bound(self, if inside { Op::Le } else { Op::Gt })?;
        Ok(if inside { Expr::And(vec![low, high]) } else { Expr::Or(vec![low, high]) })
    }

    /// What follows IN. Texts stay a list; where a number is among the values, each is a condition.
    fn among(&mut self, field: Field, op: Op, op_span: Range<usize>) -> Result<Expr, SearchError> {
        let start = self.here().start;
        let values = self.list()?;
        let texts: Option<Vec<String>> = values
            .iter()
            .map(|(value, _)| match value {
                Value::Text(text) | Value::DoubleQuoted(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if let Some(texts) = texts {
            let value_span = start..self.end();
            return Ok(Expr::Clause(Clause { field, op, value: Value::List(texts), op_span, value_span }));
        }
        let one = if op == Op::In { Op::Eq } else { Op::Ne };
        let mut parts = Vec::with_capacity(values.len());
        for (value, value_span) in values {
            self.count_clause()?;
            let (field, op_span) = (field.clone(), op_span.clone());
            parts.push(Expr::Clause(Clause { field, op: one, value, op_span, value_span }));
        }
        Ok(one_or(parts, if op == Op::In { Expr::Or } else { Expr::And }))
    }

    fn field(&mut self) -> Result<Field, SearchError> {
        let Some(token) = self.tokens.get(self.next).cloned() else {
            return Err(self.unexpected(Expect::Field));
        };
        self.next += 1;
        match token.kind {
            Kind::Backtick(key) | Kind::Double(key) => Ok(Field { entity: None, key, span: token.span }),
            Kind::Word(word) => {
                if self.take(&Kind::Dot) {
                    return match self.tokens.get(self.next).cloned() {
                        Some(Token { kind: Kind::Backtick(key) | Kind::Double(key), span }) => {
                            self.next += 1;
                            Ok(Field { entity: Some(word), key, span: token.span.start..span.end })
                        }
                        _ => Err(self.unexpected(Expect::Key)),
                    };
                }
                let (entity, key) = match word.split_once('.') {
                    Some((entity, key)) if !entity.is_empty() && !key.is_empty() => {
                        (Some(entity.to_owned()), key.to_owned())
                    }
                    _ => (None, word),
                };
                Ok(Field { entity, key, span: token.span })
            }
            _ => {
                self.next -= 1;
                Err(self.unexpected(Expect::Field))
            }
        }
    }

    fn op(&mut self, field: &Field) -> Result<Op, SearchError> {
        if let Some(Token { kind: Kind::Operator(operator), .. }) = self.tokens.get(self.next) {
            let op = match *operator {
                "=" => Op::Eq,
                "!=" => Op::Ne,
                "<" => Op::Lt,
                "<=" => Op::Le,
                ">" => Op::Gt,
                _ => Op::Ge,
            };
            self.next += 1;
            return Ok(op);
        }
        for (keyword, op) in [("LIKE", Op::Like), ("ILIKE", Op::ILike), ("IN", Op::In)] {
            if self.take_keyword(keyword) {
                return Ok(op);
            }
        }
        if self.is_keyword(self.next, "NOT") && self.is_keyword(self.next + 1, "IN") {
            self.next += 2;
            return Ok(Op::NotIn);
        }
        if self.take_keyword("IS") {
            let negated = self.take_keyword("NOT");
            if self.take_keyword("NULL") {
                return Ok(if negated { Op::IsNotNull } else { Op::IsNull });
            }
            return Err(self.unexpected(Expect::Null));
        }
        let mut error = self.unexpected(Expect::Operator);
        if self.text[field.span.end..].starts_with('-') {
            error = error.hint("keys with '-' or spaces need backticks: tags.`my-key`");
        }
        Err(error)
    }

    fn value(&mut self, expect: Expect) -> Result<Value, SearchError> {
        let value = match self.tokens.get(self.next).map(|token| &token.kind) {
            Some(Kind::Number(number)) => Value::Number(*number),
            Some(Kind::Single(text)) => Value::Text(text.clone()),
            Some(Kind::Double(text)) => Value::DoubleQuoted(text.clone()),
            Some(Kind::Word(word)) => match super::span::parse(word) {
                Some(span) if span.from_now => Value::FromNow(span.ms),
                Some(span) => Value::Span(span.ms),
                None => {
                    let error = self.unexpected(expect);
                    return Err(error.hint("text values need quotes: 'value'"));
                }
            },
            _ => return Err(self.unexpected(expect)),
        };
        self.next += 1;
        Ok(value)
    }

    /// Values in parentheses or brackets, with their places.
    fn list(&mut self) -> Result<Vec<(Value, Range<usize>)>, SearchError> {
        let close = if self.take(&Kind::Open) {
            Kind::Close
        } else if self.take(&Kind::OpenList) {
            Kind::CloseList
        } else {
            return Err(self.unexpected(Expect::ListOpen));
        };
        let mut values = Vec::new();
        loop {
            let start = self.here().start;
            let value = self.value(Expect::ListValue)?;
            values.push((value, start..self.end()));
            self.values += 1;
            if self.values > MAX_VALUES {
                return Err(SearchError::new(
                    format!("Invalid filter string: more than {MAX_VALUES} values in lists"),
                    self.here(),
                ));
            }
            if self.take(&close) {
                return Ok(values);
            }
            if !self.take(&Kind::Comma) {
                return Err(self.unexpected(Expect::ListNext));
            }
        }
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|token| token.kind == *kind);
        self.next += usize::from(found);
        found
    }

    fn is_keyword(&self, index: usize, keyword: &str) -> bool {
        matches!(self.tokens.get(index).map(|token| &token.kind), Some(Kind::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(self.next, keyword);
        self.next += usize::from(found);
        found
    }

    /// Where the next token stands; at the end, the place after the text.
    fn here(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    fn unexpected(&mut self, expect: Expect) -> SearchError {
        if self.next >= self.tokens.len() {
            self.awaited = Some(expect);
        }
        let expected = expect.in_words();
        let message = match self.tokens.get(self.next) {
            Some(token) => {
                format!(
                    "Invalid comparison clause in filter string. Expected {expected}, found '{}'",
                    &self.text[token.span.clone()]
                )
            }
            None => format!("Invalid filter string: it ends where {expected} was expected"),
        };
        SearchError::new(message, self.here())
    }
}

fn one_or(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A short rendering for assertions.
    fn show(expr: &Expr) -> String {
        let join = |parts: &[Expr], word: &str| {
            format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(word))
        };
        match expr {
            Expr::And(parts) => join(parts, " and "),
            Expr::Or(parts) => join(parts, " or "),
            Expr::Not(inner) => format!("not {}", show(inner)),
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
                Just("("), Just(")"), Just("in"), Just(","), Just("is"), Just("null"), Just("between"), Just("["), Just("]"), Just("-7d"), Just("2h"), Just("tags.`"), Just("or")], 0..12)) {
            let text = words.join(" ");
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.span.unwrap()).is_some());
            }
        }
    }
}
