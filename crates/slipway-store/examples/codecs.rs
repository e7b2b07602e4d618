//! Prints what the codecs make of a realistic loss curve: bytes a point, and nanoseconds a point to encode and decode.
//!
//! `cargo run --release -p slipway-store --example codecs`
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement, not a product")]

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Instant;

const POINTS: usize = 1 << 20;

fn measure<T: Number + Default + Copy>(what: &str, numbers: &[T], size: usize, level: usize) {
    let config = ChunkConfig::default().with_compression_level(level);
    let started = Instant::now();
    let chunks: Vec<_> = numbers.chunks(size).map(|chunk| simple_compress(chunk, &config).unwrap()).collect();
    let encode_ns = started.elapsed().as_nanos() as f64 / POINTS as f64;
    let mut out = vec![T::default(); size];
    let decode_ns = (0..5)
        .map(|_| {
            let started = Instant::now();
            for chunk in &chunks {
                simple_decompress_into(chunk, &mut out).unwrap();
            }
            started.elapsed().as_nanos() as f64 / POINTS as f64
        })
        .fold(f64::INFINITY, f64::min);
    let bytes = chunks.iter().map(Vec::len).sum::<usize>() as f64 / POINTS as f64;
    println!("{what:<22} {size:>6} {level:>5} {bytes:>7.3} B {encode_ns:>7.1} ns {decode_ns:>6.2} ns");
}

fn main() {
    let mut random = StdRng::seed_from_u64(7);
    let mut time_ms = 1_700_000_000_000_i64;
    let (mut times, mut losses) = (Vec::new(), Vec::new());
    for step in 0..POINTS {
        // About 120 ms a step, with jitter, and a pause now and then.
        time_ms += 115
            + random.random_range(0..12)
            + if step % 1000 == 999 { random.random_range(0..4000) } else { 0 };
        let trend = 0.3 + 2.5 * (-(step as f64) / 150_000.0).exp();
        let noise: f64 = (0..4).map(|_| random.random_range(-1.0..1.0)).sum::<f64>() * 0.05;
        times.push(time_ms);
        losses.push((trend * (1.0 + noise)) as f32);
    }
    let steps: Vec<i64> = (0..POINTS as i64).collect();
    let wide: Vec<f64> = losses.iter().map(|loss| f64::from(*loss)).collect();
    println!("{:<22} {:>6} {:>5} {:>9} {:>10} {:>9}", "column", "chunk", "level", "size", "encode", "decode");
    for size in [512, 1024, 2048, 4096, 8192] {
        for level in [2, 4, 6, 8] {
            measure("loss as f32", &losses, size, level);
            measure("loss as f64", &wide, size, level);
            measure("times", &times, size, level);
            measure("steps", &steps, size, level);
        }
    }
}
