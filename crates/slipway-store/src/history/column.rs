//! One compressed column of a chunk: the steps, the times or the values of its points.
//!
//! A byte that names the codec, the CRC-32 of everything else, then the payload. The checksum stands before the
//! codec, so that a flipped bit is found before a decompressor sees it. What was encoded is decoded again and compared
//! before it is given out; numbers that a codec does not bring back exactly are stored as they are.

use super::Damage;
use super::block::narrowed;
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{FileDecompressor, simple_compress};

/// 8 bytes a number, little-endian.
const RAW: u8 = 0;
/// Integers that grow by the same amount each: the first, and the amount.
const EVEN: u8 = 1;
const PCO_INTEGERS: u8 = 2;
const PCO_FLOATS: u8 = 3;
/// Floats that 32 bits hold exactly, compressed as such.
const PCO_NARROW_FLOATS: u8 = 4;

/// Measured with `examples/codecs.rs`: 6 and 8 save half a percent and take two to four times as long.
const LEVEL: usize = 4;

/// Most points that a chunk may say it has: far above what is written, and small enough to be no danger.
pub(super) const MOST: usize = 1 << 20;

/// Codec and checksum.
const HEAD_BYTES: usize = 5;

/// A column of steps or times.
pub(super) fn encode_integers(numbers: &[i64]) -> Vec<u8> {
    if let Some((first, by)) = even(numbers) {
        let mut payload = first.to_le_bytes().to_vec();
        payload.extend_from_slice(&by.to_le_bytes());
        return seal(EVEN, &payload);
    }
    if let Some(payload) = compressed(numbers) {
        let column = seal(PCO_INTEGERS, &payload);
        let mut back = Vec::new();
        if decode_integers(&column, numbers.len(), &mut back).is_ok() && back == numbers {
            return column;
        }
    }
    seal(RAW, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
}

/// A column of values.
pub(super) fn encode_floats(numbers: &[f64]) -> Vec<u8> {
    let same = |back: &[f64]| {
        back.len() == numbers.len()
            && back.iter().zip(numbers).all(|(back, number)| back.to_bits() == number.to_bits())
    };
    let narrow: Option<Vec<f32>> = numbers.iter().map(|number| narrowed(*number)).collect();
    let (codec, payload) = match narrow {
        Some(narrow) => (PCO_NARROW_FLOATS, compressed(&narrow)),
        None => (PCO_FLOATS, compressed(numbers)),
    };
    if let Some(payload) = payload {
        let column = seal(codec, &payload);
        let mut back = Vec::new();
        if decode_floats(&column, numbers.len(), &mut back).is_ok() && same(&back) {
            return column;
        }
    }
    seal(RAW, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
}

/// Appends the `count` steps or times of a column.
pub(super) fn decode_integers(column: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Damage> {
    let (codec, payload) = open(column)?;
    integers(codec, payload, count, out)
}

/// Appends the `count` values of a column.
pub(super) fn decode_floats(column: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Damage> {
    let (codec, payload) = open(column)?;
    floats(codec, payload, count, out)
}

/// For fuzzing: decodes bytes as if a checksum had vouched for them. Two bytes for the number of points, one for the
/// codec of steps and times (high and low half), one for that of the values, then the payload of each.
///
/// # Errors
/// When the bytes are no chunk.
#[doc(hidden)]
pub fn decode_chunk(bytes: &[u8]) -> Result<(Vec<i64>, Vec<f64>), Damage> {
    let Some(([low, high, codecs, codec], payload)) = bytes.split_first_chunk::<4>() else {
        return Err(Damage::new("too short for a chunk"));
    };
    let count = usize::from(u16::from_le_bytes([*low, *high]));
    let (mut whole, mut broken) = (Vec::new(), Vec::new());
    integers(*codecs, payload, count, &mut whole)?;
    floats(*codec, payload, count, &mut broken)?;
    Ok((whole, broken))
}

fn integers(codec: u8, payload: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Damage> {
    bounded(count)?;
    match codec {
        RAW => out.extend(raw(payload, count)?.map(i64::from_le_bytes)),
        EVEN => {
            let mut numbers = raw(payload, 2)?.map(i64::from_le_bytes);
            let (mut number, by) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            out.reserve(count);
            for _ in 0..count {
                out.push(number);
                number = number.wrapping_add(by);
            }
        }
        PCO_INTEGERS => out.append(&mut decompressed::<i64>(payload, count)?),
        other => return Err(unknown(other)),
    }
    Ok(())
}

fn floats(codec: u8, payload: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Damage> {
    bounded(count)?;
    match codec {
        RAW => out.extend(raw(payload, count)?.map(f64::from_le_bytes)),
        PCO_FLOATS => out.append(&mut decompressed::<f64>(payload, count)?),
        PCO_NARROW_FLOATS => {
            out.extend(decompressed::<f32>(payload, count)?.into_iter().map(f64::from));
        }
        other => return Err(unknown(other)),
    }
    Ok(())
}

/// The first number and the step between neighbours, when it is always the same.
fn even(numbers: &[i64]) -> Option<(i64, i64)> {
    let first = *numbers.first()?;
    let by = numbers.get(1).map_or(0, |second| second.wrapping_sub(first));
    numbers.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == by).then_some((first, by))
}

fn compressed<T: Number>(numbers: &[T]) -> Option<Vec<u8>> {
    simple_compress(numbers, &ChunkConfig::default().with_compression_level(LEVEL)).ok()
}

fn decompressed<T: Number + Default>(payload: &[u8], count: usize) -> Result<Vec<T>, Damage> {
    let wrong = |error: &dyn std::fmt::Display| Damage::new(format!("a column does not unpack: {error}"));
    let (file, rest) = FileDecompressor::new(payload).map_err(|error| wrong(&error))?;
    let numbers: Vec<T> = file
        .with_max_prealloc(count * size_of::<T>())
        .simple_decompress(rest)
        .map_err(|error| wrong(&error))?;
    if numbers.len() == count {
        Ok(numbers)
    } else {
        Err(Damage::new(format!("a column has {} numbers instead of {count}", numbers.len())))
    }
}

fn raw(payload: &[u8], count: usize) -> Result<impl Iterator<Item = [u8; 8]>, Damage> {
    let (numbers, rest) = payload.as_chunks::<8>();
    if numbers.len() == count && rest.is_empty() {
        Ok(numbers.iter().copied())
    } else {
        Err(Damage::new(format!("a column has {} bytes instead of {}", payload.len(), count * 8)))
    }
}

fn bounded(count: usize) -> Result<(), Damage> {
    if count <= MOST { Ok(()) } else { Err(Damage::new(format!("a chunk says it has {count} points"))) }
}

fn unknown(codec: u8) -> Damage {
    Damage::new(format!("a column is packed in the unknown way {codec}"))
}

fn seal(codec: u8, payload: &[u8]) -> Vec<u8> {
    let mut column = Vec::with_capacity(HEAD_BYTES + payload.len());
    column.push(codec);
    column.extend_from_slice(&checksum(codec, payload).to_le_bytes());
    column.extend_from_slice(payload);
    column
}

fn open(column: &[u8]) -> Result<(u8, &[u8]), Damage> {
    let Some(([codec, sum @ ..], payload)) = column.split_first_chunk::<HEAD_BYTES>() else {
        return Err(Damage::new("a column is cut short"));
    };
    if u32::from_le_bytes(*sum) == checksum(*codec, payload) {
        Ok((*codec, payload))
    } else {
        Err(Damage::new("a column does not match its checksum"))
    }
}

fn checksum(codec: u8, payload: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[codec]);
    sum.update(payload);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn floats_back(column: &[u8], count: usize) -> Result<Vec<u64>, Damage> {
        let mut out = Vec::new();
        decode_floats(column, count, &mut out)?;
        Ok(out.into_iter().map(f64::to_bits).collect())
    }

    fn integers_back(column: &[u8], count: usize) -> Result<Vec<i64>, Damage> {
        let mut out = Vec::new();
        decode_integers(column, count, &mut out).map(|()| out)
    }

    #[test]
    fn even_steps_take_no_room() {
        let steps: Vec<i64> = (0..2048).map(|step| step * 10).collect();
        let column = encode_integers(&steps);
        assert_eq!(column.len(), HEAD_BYTES + 16);
        assert_eq!(integers_back(&column, 2048).unwrap(), steps);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let values: Vec<f64> = (0..300).map(|at| f64::from((at as f32).sqrt())).collect();
        let column = encode_floats(&values);
        for bit in 0..column.len() * 8 {
            let mut broken = column.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(floats_back(&broken, 300).is_err(), "bit {bit}");
        }
        for len in 0..column.len() {
            assert!(floats_back(&column[..len], 300).is_err(), "{len} bytes");
        }
        assert!(floats_back(&column, 299).is_err());
        assert!(floats_back(&column, usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn floats_come_back_bit_for_bit(bits in prop::collection::vec(any::<u64>(), 0..300), narrow in any::<bool>()) {
            let values: Vec<f64> = bits
                .iter()
                .map(|bits| if narrow { f64::from(f32::from_bits(*bits as u32)) } else { f64::from_bits(*bits) })
                .collect();
            let expected: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(floats_back(&encode_floats(&values), values.len()).unwrap(), expected);
        }

        #[test]
        fn integers_come_back(numbers in prop::collection::vec(prop_oneof![any::<i64>(), 0..100_i64], 0..300)) {
            prop_assert_eq!(integers_back(&encode_integers(&numbers), numbers.len()).unwrap(), numbers);
        }

        /// Also where no checksum stands before the decompressor.
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), codec in 0_u8..5) {
            let mut bytes = bytes;
            if let [_, high, codecs, other, ..] = bytes.as_mut_slice() {
                (*high, *codecs, *other) = (0, codec, codec);
            }
            let _ = decode_chunk(&bytes);
        }

        /// Nearly right is where a decompressor gets furthest.
        #[test]
        fn spoiled_payloads_never_panic(
            numbers in prop::collection::vec(0..1000_i64, 1..300),
            spoil in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut payload = compressed(&numbers).unwrap();
            for (at, byte) in spoil {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
            let _ = integers(PCO_INTEGERS, &payload, numbers.len(), &mut Vec::new());
        }
    }
}
