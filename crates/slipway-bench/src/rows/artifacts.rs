//! Files up and down through the artifact proxy.

use super::floor::write_large;
use super::logging::{FLOORS, experiments, index_of};
use super::{Bench, limit, rounds};
use crate::http::Request;
use crate::load::{Outcome, together};
use crate::random::Sequence;
use crate::report::Row;
use crate::server::Server;
use crate::stats::median;
use anyhow::{Context, Result, bail};

const MIB: usize = 1 << 20;
const SMALL_BYTES: usize = 4096;
/// More than the server holds when idle by so little means that it does not hold files in memory.
const CONSTANT_BYTES: u64 = 64 << 20;

pub(super) fn artifacts(bench: &mut Bench, servers: &[Server; 3]) -> Result<()> {
    let sizes = bench.sizes.clone();
    // Latency counts here, so MLflow has one worker.
    let servers = &servers[..2];
    let experiments = experiments(servers, "artifacts")?;
    let mut roots = Vec::new();
    for (server, experiment) in servers.iter().zip(&experiments) {
        let run = server.create_runs(experiment, 1)?;
        let run = run.first().context("no run was created")?;
        roots.push(format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts"));
    }
    let root = |server: &Server| &roots[index_of(servers, server)];
    let mut random = Sequence::new(11);
    let block: Vec<u8> = (0..MIB / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let idle: Vec<u64> = servers.iter().map(|server| server.tree().resident_bytes()).collect();

    let up = rounds(
        servers,
        sizes.rounds,
        |server| {
            let target = format!("{}/large.bin", root(server));
            together(server, 1, limit(server, &sizes), |_, caller| {
                caller.timed(|connection| connection.put_repeated(&target, &block, sizes.artifact_mib))
            })
        },
        |outcome| outcome.calls_per_s() * sizes.artifact_mib as f64,
    )?;
    let down = rounds(
        servers,
        sizes.rounds,
        |server| {
            let request = Request::get(&format!("{}/large.bin", root(server)));
            together(server, 1, limit(server, &sizes), |_, caller| {
                caller.timed(|connection| {
                    let (status, length) = connection.call_discarding(&request)?;
                    if status == 200 && length != (sizes.artifact_mib * MIB) as u64 {
                        bail!("a file of {} MiB came back with {length} bytes", sizes.artifact_mib);
                    }
                    Ok(status)
                })
            })
        },
        |outcome| outcome.calls_per_s() * sizes.artifact_mib as f64,
    )?;
    let mut floors = Vec::new();
    for _ in 0..FLOORS {
        floors.push(write_large(&bench.folder, sizes.artifact_mib)?);
    }
    for (what, sides) in [("up", up), ("down", down)] {
        let mut sides = sides.into_iter();
        let mut row = Row::rate(format!("artifact of {} MiB {what}", sizes.artifact_mib), "MiB/s");
        row.slipway = sides.next().unwrap_or_default();
        row.one = sides.next();
        row.reach_ratio(5.0);
        let more = row.slipway.peak_bytes().saturating_sub(idle[0]);
        if what == "up" {
            row.beside_floor(median(&floors));
        }
        row.reach(format!("memory constant (+{} MB)", crate::stats::mb(more)), more < CONSTANT_BYTES);
        bench.report.add(row);
    }

    let targets: Vec<Vec<String>> = roots
        .iter()
        .map(|root| (0..sizes.small_files).map(|file| format!("{root}/small/{file:04}.bin")).collect())
        .collect();
    let targets = |server: &Server| &targets[index_of(servers, server)];
    let up = rounds(
        servers,
        sizes.rounds,
        |server| {
            together(server, 1, limit(server, &sizes), |_, caller| {
                for target in targets(server) {
                    if caller.may_go_on() {
                        caller
                            .timed(|connection| connection.put_repeated(target, &block[..SMALL_BYTES], 1))?;
                    }
                }
                Ok(())
            })
        },
        Outcome::calls_per_s,
    )?;
    let down = rounds(
        servers,
        sizes.rounds,
        |server| {
            let requests: Vec<Request> = targets(server).iter().map(|target| Request::get(target)).collect();
            together(server, 1, limit(server, &sizes), |_, caller| {
                for request in &requests {
                    if caller.may_go_on() {
                        caller.timed(|connection| Ok(connection.call_discarding(request)?.0))?;
                    }
                }
                Ok(())
            })
        },
        Outcome::calls_per_s,
    )?;
    for (what, sides) in [("up", up), ("down", down)] {
        let mut sides = sides.into_iter();
        let mut row = Row::rate(format!("{} files of 4 KiB {what}, 1 client", sizes.small_files), "files/s");
        row.slipway = sides.next().unwrap_or_default();
        row.one = sides.next();
        row.reach_ratio(5.0);
        bench.report.add(row);
    }
    Ok(())
}
