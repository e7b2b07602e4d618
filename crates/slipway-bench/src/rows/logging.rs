//! Logging metrics: a thousand a call, and one a call.

use super::floor::{Exchange, parse_and_append};
use super::{Bench, limit, rounds};
use crate::bodies::{batches, log_batches, log_metrics};
use crate::load::{Caller, Outcome, race, send_all};
use crate::report::Row;
use crate::server::Server;
use crate::stats::{median, short};
use anyhow::Result;
use std::time::Duration;

/// What a client does at first, before anything counts.
const WARM_UP_CALLS: usize = 5;
/// How often the floor is measured for a row; the median counts.
pub(super) const FLOORS: usize = 5;
/// Longer than one takes.
const FLOOR_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn log_batch(bench: &mut Bench, servers: &[Server; 3]) -> Result<()> {
    let sizes = bench.sizes.clone();
    let few_keys = batches(10, sizes.batches);
    let many_keys = batches(1000, sizes.batches / 3);
    let experiments = experiments(servers, "log-batch")?;
    for (what, bodies, clients, share) in [
        ("10 keys x 100 steps, 1 client", &few_keys, 1, 1),
        ("10 keys x 100 steps, 4 clients", &few_keys, 4, 2),
        ("10 keys x 100 steps, 16 clients", &few_keys, 16, 5),
        ("1,000 keys, 1 client", &many_keys, 1, 1),
    ] {
        let requests = log_batches(&bodies[..bodies.len() / share]);
        for (server, experiment) in servers.iter().zip(&experiments) {
            let runs = server.create_runs(experiment, clients)?;
            send_all(server, &runs, &requests[..WARM_UP_CALLS], sizes.turn)?;
        }
        let mut sides = rounds(
            servers,
            sizes.rounds,
            |server| {
                let runs = server.create_runs(&experiments[index_of(servers, server)], clients)?;
                send_all(server, &runs, &requests, limit(server, &sizes))
            },
            |outcome| 1000.0 * outcome.calls_per_s(),
        )?
        .into_iter();
        // Beside the row and of its bodies, so that a busy minute weighs on both.
        let mut floors = Vec::new();
        for _ in 0..FLOORS {
            floors.push(parse_and_append(&bench.folder, bodies)?);
        }
        let floor = median(&floors);
        let mut row = Row::rate(format!("log-batch of 1,000: {what}"), "points/s");
        row.slipway = sides.next().unwrap_or_default();
        (row.one, row.four) = (sides.next(), sides.next());
        row.reach_ratio(50.0);
        let share = row.slipway.value() / floor;
        row.reach(format!("half of the floor of {} points/s: {}", short(floor), short(share)), share >= 0.5);
        bench.report.add(row);
    }
    Ok(())
}

pub(super) fn log_metric(bench: &mut Bench, servers: &[Server; 3]) -> Result<()> {
    let sizes = bench.sizes.clone();
    let requests = log_metrics(10 * sizes.batches);
    let experiments = experiments(servers, "log-metric")?;
    let mut fewer_clients: Option<f64> = None;
    for (clients, share) in [(1, 1), (8, 2), (64, 10)] {
        let requests = &requests[..requests.len() / share];
        for (server, experiment) in servers.iter().zip(&experiments) {
            let runs = server.create_runs(experiment, clients)?;
            send_all(server, &runs, &requests[..WARM_UP_CALLS], sizes.turn)?;
        }
        let mut sides = rounds(
            servers,
            sizes.rounds,
            |server| {
                let runs = server.create_runs(&experiments[index_of(servers, server)], clients)?;
                send_all(server, &runs, requests, limit(server, &sizes))
            },
            Outcome::calls_per_s,
        )?
        .into_iter();
        let mut row = Row::rate(format!("log-metric, one point a call: {clients} clients"), "calls/s");
        if clients == 1 {
            row.name = "log-metric, one point a call: 1 client".to_owned();
        }
        row.slipway = sides.next().unwrap_or_default();
        (row.one, row.four) = (sides.next(), sides.next());
        row.reach_ratio(50.0);
        if clients == 1 {
            row.beside_floor(floor_of_calls(bench, |caller| {
                let run_id = "0".repeat(32);
                requests
                    .iter()
                    .try_for_each(|request| caller.timed(|connection| connection.call(request, &run_id)))
            })?);
        }
        let total = row.slipway.value();
        if let Some(fewer) = fewer_clients {
            // Two measurements of one thing differ by a few percent.
            row.reach("not below fewer clients", total >= 0.95 * fewer);
        }
        fewer_clients = Some(fewer_clients.map_or(total, |fewer| fewer.max(total)));
        bench.report.add(row);
    }
    Ok(())
}

/// What one client does with a server that only writes a page and answers, as often a second; the median counts.
pub(super) fn floor_of_calls(bench: &Bench, work: impl Fn(&mut Caller) -> Result<()> + Sync) -> Result<f64> {
    let floor = Exchange::start(&bench.folder)?;
    let mut rates = Vec::new();
    for _ in 0..FLOORS {
        rates.push(race(floor.address(), 1, FLOOR_LIMIT, &|_, caller| work(caller))?.calls_per_s());
    }
    Ok(median(&rates))
}

/// An experiment of its own on each server.
pub(super) fn experiments(servers: &[Server], name: &str) -> Result<Vec<String>> {
    servers.iter().map(|server| server.create_experiment(name)).collect()
}

/// Which of the servers it is.
pub(super) fn index_of(servers: &[Server], server: &Server) -> usize {
    servers.iter().position(|other| other.address() == server.address()).unwrap_or_default()
}
