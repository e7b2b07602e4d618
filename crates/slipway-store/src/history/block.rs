//! Blocks of the tail: the points of one metric in one log call, in the order in which they came.
//!
//! A byte that says how values are stored (0: 8 bytes each, 1: 4 bytes each, for values that a 32-bit float holds
//! exactly), then for each point the difference of its step and of its time from the point before as
//! variable-length integers, and the value, little-endian. How many points there are is written in the directory beside the blocks.

use super::Damage;
use crate::model::Point;

const WIDE: u8 = 0;
const NARROW: u8 = 1;

/// Appends the block of the given points.
pub(crate) fn encode(points: &[Point], bytes: &mut Vec<u8>) {
    let narrow = points.iter().all(|point| narrowed(point.value).is_some());
    bytes.reserve(16 + points.len() * if narrow { 8 } else { 12 });
    bytes.push(if narrow { NARROW } else { WIDE });
    let (mut step, mut time_ms) = (0_i64, 0_i64);
    for point in points {
        put_integer(bytes, point.step.wrapping_sub(step));
        put_integer(bytes, point.time_ms.wrapping_sub(time_ms));
        (step, time_ms) = (point.step, point.time_ms);
        match narrowed(point.value) {
            Some(value) if narrow => bytes.extend_from_slice(&value.to_le_bytes()),
            _ => bytes.extend_from_slice(&point.value.to_le_bytes()),
        }
    }
}

/// Appends the points of a block, which must be exactly `count`.
pub(crate) fn decode(mut bytes: &[u8], count: usize, points: &mut Vec<Point>) -> Result<(), Damage> {
    let narrow = match take::<1>(&mut bytes)? {
        [WIDE] => false,
        [NARROW] => true,
        [other] => return Err(Damage::new(format!("a block has the unknown form {other}"))),
    };
    // A point has at least a byte a number: a wrong count must not ask for memory that no block could fill.
    if count > bytes.len() {
        return Err(Damage::new(format!("a block is too short for {count} points")));
    }
    points.reserve(count);
    let (mut step, mut time_ms) = (0_i64, 0_i64);
    for _ in 0..count {
        step = step.wrapping_add(take_integer(&mut bytes)?);
        time_ms = time_ms.wrapping_add(take_integer(&mut bytes)?);
        let value = if narrow {
            f64::from(f32::from_le_bytes(take(&mut bytes)?))
        } else {
            f64::from_le_bytes(take(&mut bytes)?)
        };
        points.push(Point { step, time_ms, value });
    }
    if bytes.is_empty() {
        Ok(())
    } else {
        Err(Damage::new(format!("a block of {count} points has {} bytes too many", bytes.len())))
    }
}

/// The value as a 32-bit float, when that is the very same value.
pub(super) fn narrowed(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (f64::from(narrow).to_bits() == value.to_bits()).then_some(narrow)
}

pub(super) fn put_integer(bytes: &mut Vec<u8>, number: i64) {
    // Small numbers of both signs become small ones without a sign.
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

pub(super) fn take_integer(bytes: &mut &[u8]) -> Result<i64, Damage> {
    // Most are small.
    if let [byte, rest @ ..] = *bytes
        && *byte < 0x80
    {
        *bytes = rest;
        return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
    }
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take::<1>(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    Err(Damage::new("a number in a block has no end"))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Damage> {
    let (taken, rest) =
        bytes.split_first_chunk::<N>().ok_or_else(|| Damage::new("a block ends too early"))?;
    *bytes = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(points: &[Point]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(points, &mut bytes);
        bytes
    }

    fn decoded(bytes: &[u8], count: usize) -> Result<Vec<Point>, Damage> {
        let mut points = Vec::new();
        decode(bytes, count, &mut points).map(|()| points)
    }

    #[test]
    fn a_block_of_plain_losses_is_small() {
        let points: Vec<_> = (0..100)
            .map(|step| Point { step, time_ms: 1_700_000_000_000 + step * 120, value: f64::from(0.1_f32) })
            .collect();
        let bytes = encoded(&points);
        assert!(bytes.len() < 720, "{}", bytes.len());
        assert_eq!(decoded(&bytes, 100).unwrap(), points);
    }

    proptest! {
        #[test]
        fn every_point_comes_back_bit_for_bit(
            points in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u64>(), any::<bool>()), 0..50),
        ) {
            let points: Vec<_> = points
                .into_iter()
                .map(|(step, time_ms, bits, narrow)| {
                    let value = f64::from_bits(bits);
                    Point { step, time_ms, value: if narrow { f64::from(value as f32) } else { value } }
                })
                .collect();
            prop_assert_eq!(decoded(&encoded(&points), points.len()).unwrap(), points);
        }

        #[test]
        fn damaged_blocks_are_errors_or_points_but_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0_usize..1000,
        ) {
            if let Ok(points) = decoded(&bytes, count) {
                prop_assert_eq!(points.len(), count);
            }
        }
    }
}
