//! Every target keeps the promises of the trait.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use slipway_jobs::{LocalTarget, conformance};

#[test]
fn this_machine_keeps_the_promises_of_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let program = slipway_testkit::slipway_program().unwrap();
    let local = LocalTarget::new(folder.path().join("jobs"), program);
    runtime.block_on(conformance::check(&local)).unwrap_or_else(|broken| panic!("{broken}"));
}
