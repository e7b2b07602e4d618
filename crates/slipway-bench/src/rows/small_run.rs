//! A small run from its creation to its end, as a script without a training loop logs it.

use super::logging::{experiments, floor_of_calls, index_of};
use super::{Bench, limit, rounds, run_id_in};
use crate::bodies::{CREATE_RUN, LOG_BATCH, SmallRun, UPDATE_RUN, create_run, end_run};
use crate::http::{Connection, Request};
use crate::load::{Outcome, together};
use crate::report::Row;
use crate::server::Server;
use anyhow::{Context, Result};

/// The calls of one run: its creation, and what is about it.
struct Calls {
    create: Request,
    about: Vec<Request>,
}

impl Calls {
    fn new(experiment_id: &str, number: usize, one_by_one: bool) -> Self {
        let content = SmallRun::new(number, 5);
        let mut about = if one_by_one {
            content.calls()
        } else {
            vec![Request::about_run(LOG_BATCH, &content.batch(number))]
        };
        about.push(Request::about_run(UPDATE_RUN, &end_run(number)));
        let create = Request::post(CREATE_RUN, create_run(experiment_id, number).as_bytes());
        Self { create, about }
    }

    /// The first status that is not success, or 200.
    fn make(&self, connection: &mut Connection) -> Result<u16> {
        let status = connection.call(&self.create, "")?;
        if status != 200 {
            return Ok(status);
        }
        let run_id = run_id_in(connection.body()).context("no run_id in the answer")?.to_owned();
        for request in &self.about {
            let status = connection.call(request, &run_id)?;
            if status != 200 {
                return Ok(status);
            }
        }
        Ok(200)
    }
}

pub(super) fn small_run(bench: &mut Bench, servers: &[Server; 3]) -> Result<()> {
    let sizes = bench.sizes.clone();
    // One client waits for every answer, so latency counts, and MLflow has one worker.
    let servers = &servers[..2];
    let experiments = experiments(servers, "small-run")?;
    for (what, one_by_one, count) in [
        ("one call each, 47 calls", true, sizes.batches / 4),
        ("one log-batch, 3 calls", false, 2 * sizes.batches),
    ] {
        let calls: Vec<Vec<Calls>> = experiments
            .iter()
            .map(|experiment| (0..count).map(|number| Calls::new(experiment, number, one_by_one)).collect())
            .collect();
        for (server, calls) in servers.iter().zip(&calls) {
            calls[0].make(&mut server.connect()?)?;
        }
        let mut sides = rounds(
            servers,
            sizes.rounds,
            |server| {
                together(server, 1, limit(server, &sizes), |_, caller| {
                    for calls in &calls[index_of(servers, server)] {
                        if !caller.may_go_on() {
                            break;
                        }
                        caller.timed(|connection| calls.make(connection))?;
                    }
                    Ok(())
                })
            },
            Outcome::calls_per_s,
        )?
        .into_iter();
        let mut row = Row::rate(format!("a small run: {what}"), "runs/s");
        row.slipway = sides.next().unwrap_or_default();
        row.one = sides.next();
        row.reach_ratio(50.0);
        row.beside_floor(floor_of_calls(bench, |caller| {
            calls[0].iter().try_for_each(|calls| caller.timed(|connection| calls.make(connection)))
        })?);
        bench.report.add(row);
    }
    Ok(())
}
