//! The lenient reader of request bodies: whatever bytes come, it ends without a panic, and what is plain JSON it
//! reads as plain JSON is read. The quick way to read a batch means what the lenient way means.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use slipway_server::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    for (quick, lenient) in fuzzing::read_twice(bytes) {
        assert_eq!(Some(quick), lenient, "read in two ways, meant in two ways");
    }
    let Some(lenient) = fuzzing::read_body(bytes) else { return };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(plain)) => assert_eq!(lenient, plain),
        // A text may hold the body once more.
        Ok(Value::String(inner)) => {
            if let Ok(Value::Object(plain)) = serde_json::from_str::<Value>(&inner) {
                assert_eq!(lenient, plain);
            }
        }
        Ok(_) => assert!(lenient.is_empty()),
        Err(_) => {}
    }
    if let Ok(query) = std::str::from_utf8(bytes) {
        fuzzing::read_query(query);
    }
});
