//! Chunks: sorted points in compressed columns, and the head by which a reader decides whether it needs them.

use super::{CHUNK_POINTS, Damage, Place, column, damaged, unrank};
use crate::error::Result;
use crate::model::Point;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Row, params};

/// What is known of a chunk without unpacking it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) points: usize,
    pub(crate) first: Place,
    pub(crate) last: Place,
    /// Smallest finite value and the first place it is at; largest likewise.
    pub(crate) extremes: Option<(Extreme, Extreme)>,
    pub(crate) non_finite: usize,
    /// Times from the earliest to the latest.
    pub(crate) times_ms: (i64, i64),
    /// Times never go back within the chunk.
    pub(crate) in_time: bool,
}

/// A point of a chunk and its number in there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extreme {
    pub(crate) index: usize,
    pub(crate) place: Place,
}

/// The columns of [`Head`] as [`read_head`] takes them.
pub(crate) const HEAD: &str = "points, first_step, first_ms, first_rank, last_step, last_ms, last_rank, \
     low_index, low_step, low_ms, low_rank, high_index, high_step, high_ms, high_rank, \
     non_finite, earliest_ms, latest_ms, in_time";

/// Points cut into pieces of about [`CHUNK_POINTS`], none of them tiny.
pub(crate) fn pieces(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    let count = ((points.len() + CHUNK_POINTS / 2) / CHUNK_POINTS).max(1);
    points.chunks(points.len().div_ceil(count).max(1))
}

impl Head {
    /// False for what no chunk can have, so that nobody needs to think of it again.
    pub(super) fn is_possible(&self) -> bool {
        let within = |extreme: &Extreme| extreme.index < self.points;
        (1..=column::MOST).contains(&self.points)
            && self.non_finite <= self.points
            && self.extremes.is_none_or(|(low, high)| within(&low) && within(&high))
            && self.first <= self.last
    }

    /// The head of sorted points; none when there are none.
    fn of(points: &[Point]) -> Option<Self> {
        let (first, last) = (Place::of(points.first()?), Place::of(points.last()?));
        let mut head = Self {
            points: points.len(),
            first,
            last,
            extremes: None,
            non_finite: 0,
            times_ms: (first.time_ms, first.time_ms),
            in_time: points.is_sorted_by_key(|point| point.time_ms),
        };
        for (index, point) in points.iter().enumerate() {
            head.times_ms = (head.times_ms.0.min(point.time_ms), head.times_ms.1.max(point.time_ms));
            if !point.value.is_finite() {
                head.non_finite += 1;
                continue;
            }
            let here = Extreme { index, place: Place::of(point) };
            let (low, high) = head.extremes.get_or_insert((here, here));
            if point.value < unrank(low.place.rank) {
                *low = here;
            }
            if point.value > unrank(high.place.rank) {
                *high = here;
            }
        }
        Some(head)
    }
}

/// Reads [`HEAD`].
pub(crate) fn read_head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let size =
        |column: usize| row.get::<_, i64>(column).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let place = |column: usize| {
        Ok::<_, rusqlite::Error>(Place {
            step: row.get(column)?,
            time_ms: row.get(column + 1)?,
            rank: row.get(column + 2)?,
        })
    };
    let extreme = |column: usize| {
        let none = matches!(row.get_ref(column)?, ValueRef::Null);
        let some = || Ok::<_, rusqlite::Error>(Extreme { index: size(column)?, place: place(column + 1)? });
        if none { Ok(None) } else { some().map(Some) }
    };
    Ok(Head {
        points: size(0)?,
        first: place(1)?,
        last: place(4)?,
        extremes: extreme(7)?.zip(extreme(11)?),
        non_finite: size(15)?,
        times_ms: (row.get(16)?, row.get(17)?),
        in_time: row.get(18)?,
    })
}

/// A chunk ready to be stored.
#[derive(Debug)]
pub(crate) struct Packed {
    head: Head,
    steps: Vec<u8>,
    values: Vec<u8>,
    times: Vec<u8>,
}

impl Packed {
    /// Packs sorted points; none when there are none.
    pub(crate) fn pack(points: &[Point]) -> Option<Self> {
        let head = Head::of(points)?;
        let steps: Vec<i64> = points.iter().map(|point| point.step).collect();
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let times: Vec<i64> = points.iter().map(|point| point.time_ms).collect();
        Some(Self {
            head,
            steps: column::encode_integers(&steps),
            values: column::encode_floats(&values),
            times: column::encode_integers(&times),
        })
    }

    pub(crate) fn insert(&self, db: &Connection, series: i64) -> Result<()> {
        let head = &self.head;
        let extremes = head.extremes;
        let low = extremes.map(|(low, _)| low);
        let high = extremes.map(|(_, high)| high);
        let index = |extreme: Option<Extreme>| extreme.map(|extreme| extreme.index as i64);
        let place = |extreme: Option<Extreme>| extreme.map(|extreme| extreme.place);
        let (low_place, high_place) = (place(low), place(high));
        db.prepare_cached(&format!(
            "INSERT INTO chunks (series, {HEAD}, steps, bits, times) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
             ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"
        ))?
        .execute(params![
            series,
            head.points as i64,
            head.first.step,
            head.first.time_ms,
            head.first.rank,
            head.last.step,
            head.last.time_ms,
            head.last.rank,
            index(low),
            low_place.map(|place| place.step),
            low_place.map(|place| place.time_ms),
            low_place.map(|place| place.rank),
            index(high),
            high_place.map(|place| place.step),
            high_place.map(|place| place.time_ms),
            high_place.map(|place| place.rank),
            head.non_finite as i64,
            head.times_ms.0,
            head.times_ms.1,
            head.in_time,
            self.steps,
            self.values,
            self.times,
        ])?;
        Ok(())
    }
}

/// Unpacks the chunks of one series.
pub(crate) struct Unpacker<'a> {
    db: &'a Connection,
    series: i64,
    statement: CachedStatement<'a>,
    steps: Vec<i64>,
    values: Vec<f64>,
    times: Vec<i64>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(db: &'a Connection, series: i64) -> Result<Self> {
        let statement = db.prepare_cached(
            "SELECT steps, bits, times FROM chunks \
             WHERE series = ?1 AND first_step = ?2 AND first_ms = ?3 AND first_rank = ?4",
        )?;
        Ok(Self { db, series, statement, steps: Vec::new(), values: Vec::new(), times: Vec::new() })
    }

    /// The numbers of steps or times, and the values. Quicker than [`Unpacker::points`].
    pub(crate) fn pairs(&mut self, head: &Head, by_time: bool) -> Result<(&[i64], &[f64])> {
        self.load(head, !by_time, by_time)?;
        Ok((if by_time { &self.times } else { &self.steps }, &self.values))
    }

    /// Appends all points of a chunk.
    pub(crate) fn points(&mut self, head: &Head, out: &mut Vec<Point>) -> Result<()> {
        self.load(head, true, true)?;
        let columns = self.steps.iter().zip(&self.times).zip(&self.values);
        out.extend(columns.map(|((step, time_ms), value)| Point {
            step: *step,
            time_ms: *time_ms,
            value: *value,
        }));
        Ok(())
    }

    fn load(&mut self, head: &Head, steps: bool, times: bool) -> Result<()> {
        let Self { db, series, statement, steps: all_steps, values: all_values, times: all_times } = self;
        all_steps.clear();
        all_values.clear();
        all_times.clear();
        let first = head.first;
        let mut rows = statement.query(params![*series, first.step, first.time_ms, first.rank])?;
        let unpacked = match rows.next()? {
            None => Err(Damage::new("it is gone")),
            Some(row) => {
                // A column that is not wanted is not even fetched.
                let blob = |wanted: bool, at| {
                    let value = if wanted { row.get_ref(at)? } else { ValueRef::Null };
                    Ok::<_, rusqlite::Error>(value.as_blob_or_null().ok().flatten().unwrap_or_default())
                };
                let (packed_steps, packed_values) = (blob(steps, 0)?, blob(true, 1)?);
                let packed_times = blob(times, 2)?;
                let mut unpack = || {
                    if steps {
                        column::decode_integers(packed_steps, head.points, all_steps)?;
                    }
                    if times {
                        column::decode_integers(packed_times, head.points, all_times)?;
                    }
                    column::decode_floats(packed_values, head.points, all_values)?;
                    let ends = |column: &[i64]| column.first().copied().zip(column.last().copied());
                    if (steps && ends(all_steps) != Some((first.step, head.last.step)))
                        || (times && ends(all_times) != Some((first.time_ms, head.last.time_ms)))
                    {
                        return Err(Damage::new("it does not begin and end where its head says"));
                    }
                    Ok(())
                };
                unpack()
            }
        };
        unpacked.map_err(|damage| {
            let damage = Damage::new(format!("in the chunk from step {} on, {damage}", first.step));
            damaged(db, *series, &damage)
        })
    }
}
