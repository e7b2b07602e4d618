//! Reads tokens into an expression.

use super::expr::{Clause, Expr, Field, Op, Part, Value, Word};
use super::lexer::{Kind, Token, lex};
use super::{MAX_CLAUSES, MAX_DEPTH, MAX_LENGTH, MAX_VALUES, SearchError};
use std::ops::Range;

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
    read(text, Dialect::Common)
}

/// Reads a filter of Slipway's own table, where texts of one word need no quotes, a field by itself means that there is
/// one, a word by itself is looked for, and `~` takes a regular expression.
///
/// # Errors
/// As [`parse`].
pub fn parse_table(text: &str) -> Result<Option<Expr>, SearchError> {
    read(text, Dialect::Table)
}

/// Who is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Everybody, MLflow's clients included.
    Common,
    /// People who write filters of Slipway's table.
    Table,
}

fn read(text: &str, dialect: Dialect) -> Result<Option<Expr>, SearchError> {
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
    let mut parser = Parser::new(text, dialect)?;
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
    dialect: Dialect,
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
    let mut parser = Parser::new(beginning, Dialect::Table).ok()?;
    let expect = match parser.or() {
        Ok(_) if parser.next == parser.tokens.len() => parser.awaited.unwrap_or(Expect::Join),
        Ok(_) => return None,
        Err(_) => parser.awaited?,
    };
    Some((expect, parser.field, parser.op))
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, dialect: Dialect) -> Result<Self, SearchError> {
        Ok(Self {
            text,
            dialect,
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
        if let Some(alone) = self.alone() {
            return Ok(alone);
        }
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

    /// A field that is there, or a word that is looked for: what stands by itself where a condition could.
    fn alone(&mut self) -> Option<Expr> {
        let start = self.next;
        if self.dialect == Dialect::Common || self.is_join(start) || self.is_keyword(start, "NOT") {
            return None;
        }
        let token = self.tokens.get(start).cloned()?;
        if let Kind::Single(text) | Kind::Double(text) = &token.kind
            && self.ends_at(start + 1)
        {
            self.next += 1;
            return Some(Expr::Word(Word { text: text.clone(), span: token.span }));
        }
        if matches!(token.kind, Kind::Number(_)) && self.ends_at(start + 1) {
            self.next += 1;
            let text = self.text[token.span.clone()].to_owned();
            return Some(Expr::Word(Word { text, span: token.span }));
        }
        let field = self.field().ok().filter(|_| self.ends_at(self.next));
        let Some(field) = field else {
            self.next = start;
            return None;
        };
        self.field = Some(field.clone());
        if self.next == self.tokens.len() {
            // So far it is all there is; a comparison may be meant to follow.
            self.awaited = Some(Expect::Operator);
        }
        if !field.entity.as_deref().is_some_and(is_entity) {
            let text = field.entity.map_or(field.key.clone(), |entity| format!("{entity}.{}", field.key));
            return Some(Expr::Word(Word { text, span: field.span }));
        }
        let at = field.span.end..field.span.end;
        let (op, value) = (Op::IsNotNull, Value::Nothing);
        Some(Expr::Clause(Clause { field, op, value, op_span: at.clone(), value_span: at }))
    }

    /// True where a condition is over.
    fn ends_at(&self, index: usize) -> bool {
        let token = self.tokens.get(index);
        token.is_none_or(|token| token.kind == Kind::Close) || self.is_join(index)
    }

    fn is_join(&self, index: usize) -> bool {
        self.is_keyword(index, "AND") || self.is_keyword(index, "OR")
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
            Kind::Backtick(key) | Kind::Double(key) => {
                Ok(Field { entity: None, key, part: None, span: token.span })
            }
            Kind::Word(word) => {
                if self.take(&Kind::Dot) {
                    return match self.tokens.get(self.next).cloned() {
                        Some(Token { kind: Kind::Backtick(key) | Kind::Double(key), span }) => {
                            self.next += 1;
                            let span = token.span.start..span.end;
                            let mut field = Field { entity: Some(word), key, part: None, span };
                            self.part_after_quotes(&mut field);
                            Ok(field)
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
                let mut field = Field { entity, key, part: None, span: token.span };
                if self.dialect == Dialect::Table && field.is_metric() {
                    let split = field.key.rsplit_once('.').filter(|(key, _)| !key.is_empty());
                    let split = split.and_then(|(key, part)| Some((key.to_owned(), Part::read(part)?)));
                    if let Some((key, part)) = split {
                        (field.key, field.part) = (key, Some(part));
                    }
                }
                Ok(field)
            }
            _ => {
                self.next -= 1;
                Err(self.unexpected(Expect::Field))
            }
        }
    }

    /// Takes the `.min` of ``metrics.`my loss`.min``.
    fn part_after_quotes(&mut self, field: &mut Field) {
        if self.dialect != Dialect::Table || !field.is_metric() {
            return;
        }
        if let Some(Token { kind: Kind::Word(word), span }) = self.tokens.get(self.next)
            && span.start == field.span.end
            && let Some(part) = word.strip_prefix('.').and_then(Part::read)
        {
            field.part = Some(part);
            field.span.end = span.end;
            self.next += 1;
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
                ">=" => Op::Ge,
                _ if self.dialect == Dialect::Table => Op::Matches,
                _ => return Err(self.unexpected(Expect::Operator)),
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
                None if self.dialect == Dialect::Table && !self.is_join(self.next) => {
                    Value::Text(word.clone())
                }
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
            self.awaited.get_or_insert(expect);
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

/// True for what may stand before the first dot of a field.
fn is_entity(word: &str) -> bool {
    const ENTITIES: [&str; 14] = [
        "metrics",
        "metric",
        "params",
        "param",
        "parameters",
        "parameter",
        "tags",
        "tag",
        "dataset",
        "datasets",
        "attributes",
        "attribute",
        "attr",
        "run",
    ];
    ENTITIES.contains(&word)
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
mod tests;
