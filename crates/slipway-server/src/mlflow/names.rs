//! Ids, and names for what got none.

const ADJECTIVES: [&str; 64] = [
    "able", "amber", "ample", "arctic", "brave", "breezy", "bright", "brisk", "calm", "careful", "cheery",
    "clear", "clever", "cobalt", "coral", "crisp", "curious", "daring", "deep", "eager", "early", "even",
    "fair", "fleet", "fresh", "gentle", "golden", "grand", "hardy", "hearty", "hollow", "jolly", "keen",
    "kind", "lively", "lucky", "lunar", "mellow", "merry", "mild", "misty", "modest", "neat", "nimble",
    "noble", "patient", "plucky", "polar", "proud", "quick", "quiet", "ready", "rustic", "salty", "sandy",
    "silver", "sleek", "solar", "spry", "steady", "sunny", "tidal", "vivid", "windy",
];

const NOUNS: [&str; 64] = [
    "albatross",
    "anchor",
    "auk",
    "barge",
    "bay",
    "beacon",
    "bosun",
    "bow",
    "breeze",
    "brig",
    "buoy",
    "canoe",
    "captain",
    "cargo",
    "clipper",
    "compass",
    "cormorant",
    "crane",
    "current",
    "cutter",
    "dinghy",
    "dock",
    "dolphin",
    "ferry",
    "fjord",
    "galley",
    "gull",
    "halyard",
    "harbor",
    "heron",
    "hull",
    "isle",
    "jetty",
    "kayak",
    "keel",
    "ketch",
    "lagoon",
    "lantern",
    "lighthouse",
    "mast",
    "narwhal",
    "oar",
    "otter",
    "pelican",
    "pier",
    "puffin",
    "quay",
    "rudder",
    "sail",
    "schooner",
    "seal",
    "sextant",
    "shoal",
    "skiff",
    "sloop",
    "spar",
    "tern",
    "tide",
    "tiller",
    "trawler",
    "tug",
    "walrus",
    "wharf",
    "yawl",
];

/// A fresh id of a run.
pub(crate) fn run_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A fresh id of a logged model.
pub(super) fn model_id() -> String {
    format!("m-{:032x}", rand::random::<u128>())
}

/// A fresh name for a run or a logged model.
pub(crate) fn shown_name() -> String {
    name_from(rand::random())
}

/// `adjective-noun-###`, the same for the same seed.
fn name_from(seed: u64) -> String {
    let pick = |words: &[&'static str; 64], shift: u32| words[(seed >> shift) as usize % 64];
    format!("{}-{}-{}", pick(&ADJECTIVES, 0), pick(&NOUNS, 6), (seed >> 12) % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_differ_and_can_stand_in_a_name() {
        let words: HashSet<_> = ADJECTIVES.iter().chain(&NOUNS).collect();
        assert_eq!(words.len(), 128);
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }

    #[test]
    fn names_are_fixed_by_their_seed() {
        assert_eq!(name_from(0), "able-albatross-0");
        assert_eq!(name_from(1 | 2 << 6 | 316 << 12), "amber-auk-316");
        assert_eq!(name_from(u64::MAX).split('-').count(), 3);
    }

    #[test]
    fn ids_have_the_form_clients_expect() {
        let id = run_id();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
        assert_ne!(id, run_id());
        assert_eq!(model_id().len(), 34);
        assert!(model_id().starts_with("m-"));
    }
}
