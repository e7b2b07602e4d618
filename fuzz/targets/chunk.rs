//! The decoder of stored histories: whatever bytes lie in a damaged file, it gives as many numbers as the chunk says
//! it has, or an error, in little memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slipway_store::history::decode_chunk;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((whole, broken)) = decode_chunk(bytes) {
        let count = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        assert_eq!((whole.len(), broken.len()), (count, count));
    }
});
