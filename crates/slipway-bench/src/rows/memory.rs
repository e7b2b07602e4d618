//! Memory after a lot was logged.

use super::{Bench, limit};
use crate::bodies::{batches, log_batches};
use crate::load::{Outcome, send_all};
use crate::report::Row;
use crate::server::{Kind, Server};
use crate::stats::{mb, short};
use anyhow::Result;
use std::time::Duration;

const CLIENTS: usize = 4;
const REACH_BYTES: u64 = 150_000_000;

pub(super) fn memory(bench: &mut Bench, servers: &mut [Server; 2]) -> Result<()> {
    let sizes = bench.sizes.clone();
    let requests = log_batches(&batches(10, 250));
    let points_a_turn = CLIENTS * requests.len() * 1000;
    let mut row = Row::cost(format!("memory after {} points", short(sizes.ingest_points as f64)), "MB");
    for server in &*servers {
        let experiment = server.create_experiment("memory")?;
        let (mut points, mut side) = (0, crate::report::Side::default());
        let turns =
            if server.kind == Kind::Slipway { sizes.ingest_points.div_ceil(points_a_turn) } else { 1 };
        for _ in 0..turns {
            let runs = server.create_runs(&experiment, CLIENTS)?;
            let outcome = send_all(server, &runs, &requests, 3 * limit(server, &sizes))?;
            points += outcome.latencies.len() * 1000;
            side.add(|outcome: &Outcome| outcome.after_bytes as f64 / 1e6, outcome);
        }
        let after = side.values.last().copied().unwrap_or(f64::NAN);
        side.values = vec![after];
        if server.kind == Kind::Slipway {
            let rate = points as f64 / side.wall().as_secs_f64();
            let peak = side.peak_bytes();
            server.wait_until_idle(Duration::from_secs(10), Duration::from_secs(90));
            bench.report.note(format!(
                "Slipway took in {} points at {} points/s ({CLIENTS} clients); {} MB at the peak, {} MB when idle \
                 again; its folder then took {} MB.",
                short(points as f64),
                short(rate),
                mb(peak),
                mb(server.tree().resident_bytes()),
                mb(server.disk_bytes())
            ));
            row.reach("150 MB", after * 1e6 < REACH_BYTES as f64);
            row.slipway = side;
        } else {
            bench.report.note(format!("MLflow's memory is that after {} points.", short(points as f64)));
            row.one = Some(side);
        }
    }
    bench.report.add(row);
    Ok(())
}
