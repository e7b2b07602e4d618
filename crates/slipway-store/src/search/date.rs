//! Dates in filters: ISO 8601, as far as people write it.

/// Milliseconds since 1970 of `2026-11-01`, `2026-11-01T08:30`, `2026-11-01 08:30:15.250Z` or
/// `2026-11-01T08:30:15+02:00`. Without a zone it is UTC.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4, 4)?;
    let month = digits(parts.next()?, 2, 2)?;
    let day = digits(parts.next()?, 2, 2)?;
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let midnight_ms = days_since_1970(year, month, day) * 86_400_000;
    Some(midnight_ms + time.map_or(Some(0), time_of_day)?)
}

/// The day on which a moment lies in UTC, as `2026-11-01`; none for years that are not written with four digits.
pub(crate) fn date_of(at_ms: i64) -> Option<String> {
    let day = at_ms.div_euclid(86_400_000);
    if !(days_since_1970(1000, 1, 1)..days_since_1970(10_000, 1, 1)).contains(&day) {
        return None;
    }
    // Never too late, and a few years too early at most.
    let mut year = if day < 0 { 1969 + day.div_euclid(365) } else { 1970 + day / 366 };
    while days_since_1970(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut rest = day - days_since_1970(year, 1, 1);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    Some(format!("{year}-{month:02}-{:02}", rest + 1))
}

/// Milliseconds after midnight UTC of `HH:MM[:SS[.fff]]` with an optional zone.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, zone_minutes) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], zone(&text[at..])?),
        None => (text, 0),
    };
    let (clock, fraction_ms) = match clock.split_once('.') {
        Some((clock, fraction)) => {
            digits(fraction, 1, 9)?;
            // Three digits of it; missing ones are zeros.
            (clock, digits(&format!("{fraction:0<3}")[..3], 3, 3)?)
        }
        None => (clock, 0),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2, 2)?;
    let minute = digits(parts.next()?, 2, 2)?;
    let second = parts.next().map_or(Some(0), |text| digits(text, 2, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute - zone_minutes) * 60 + second) * 1000 + fraction_ms)
}

/// Minutes east of UTC.
fn zone(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2, 2)?, digits(minutes, 2, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn digits(text: &str, least: usize, most: usize) -> Option<i64> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let before_year = year * 365 + if year > 0 { leap_days(year - 1) + 1 } else { 0 };
    let before_month: i64 = (1..month).map(|month| days_in(year, month)).sum();
    // 719,528 days lie between the first day of year 0 and that of 1970.
    before_year + before_month + day - 1 - 719_528
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_they_are_read() {
        for text in ["1970-01-01", "1969-12-31", "2000-02-29", "2026-11-23", "9999-12-31", "1000-01-01"] {
            assert_eq!(date_of(parse_date(text).unwrap() + 86_399_999).as_deref(), Some(text));
        }
        assert_eq!((date_of(i64::MAX), date_of(-62_135_596_800_000)), (None, None));
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-03-01", Some(951_868_800_000)),
            ("2026-11-01", Some(1_793_491_200_000)),
            ("2026-11-01T08:30", Some(1_793_521_800_000)),
            ("2026-11-01 08:30:15.25Z", Some(1_793_521_815_250)),
            ("2026-11-01T08:30:15+02:00", Some(1_793_514_615_000)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("0000-01-01", Some(-62_167_219_200_000)),
            ("2024-02-29", Some(1_709_164_800_000)),
            ("2025-02-29", None),
            ("2026-13-01", None),
            ("2026-1-1", None),
            ("2026-11-01T", None),
            ("2026-11-01T24:00", None),
            ("2026-11-01T08:30+2", None),
            ("yesterday", None),
            ("", None),
            ("2026-11-01T08:30:1\u{e4}", None),
            ("2026-11-01T08:30+\u{e4}\u{e4}:00", None),
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
    }
}
