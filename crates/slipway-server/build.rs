//! Builds the program again when the frontend was built anew.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Debug builds read the frontend from its folder at run time.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../../ui/dist");
    }
}
