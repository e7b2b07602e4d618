//! Clients that call as fast as the server answers, and what that took.

use crate::http::{Connection, Request};
use crate::proc::own_cpu;
use crate::server::Server;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// One client: its connection, and the time of each of its calls.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) connection: Connection,
    until: Instant,
    latencies: Vec<Duration>,
    refused: u64,
    refusal: Option<String>,
}

impl Caller {
    /// Whether the time limit has not passed.
    pub(crate) fn may_go_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Makes one call, or several that count as one, and notes how long it took.
    pub(crate) fn timed(&mut self, call: impl FnOnce(&mut Connection) -> Result<u16>) -> Result<()> {
        let began = Instant::now();
        let status = call(&mut self.connection)?;
        if status < 300 {
            self.latencies.push(began.elapsed());
        } else {
            self.refused += 1;
            if self.refusal.is_none() {
                let text = String::from_utf8_lossy(self.connection.body());
                self.refusal = Some(format!("{status} {}", text.chars().take(200).collect::<String>()));
            }
        }
        Ok(())
    }
}

/// What a number of clients did together.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of each call that was answered well.
    pub(crate) latencies: Vec<Duration>,
    /// From the start of all to the end of the last.
    pub(crate) wall: Duration,
    /// Calls that were answered with an error.
    pub(crate) refused: u64,
    /// The first such answer.
    pub(crate) refusal: Option<String>,
    /// Processor time of the server meanwhile.
    pub(crate) cpu: Duration,
    /// Processor time of this program meanwhile.
    pub(crate) client_cpu: Duration,
    /// The most memory of the server meanwhile.
    pub(crate) peak_bytes: u64,
    /// Its memory afterwards.
    pub(crate) after_bytes: u64,
}

impl Outcome {
    /// Calls answered well, per second.
    pub(crate) fn calls_per_s(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }
}

/// Runs `clients` at once against a server. Each does `work` once, which looks at [`Caller::may_go_on`].
///
/// # Errors
/// When a connection fails; an answer that is an error is counted instead.
pub(crate) fn together(
    server: &Server,
    clients: usize,
    limit: Duration,
    work: impl Fn(usize, &mut Caller) -> Result<()> + Sync,
) -> Result<Outcome> {
    server.tree().forget_peak();
    let (cpu, client_cpu) = (server.tree().cpu(), own_cpu()?);
    let mut outcome = race(server.address(), clients, limit, &work)?;
    outcome.cpu = server.tree().cpu().saturating_sub(cpu);
    outcome.client_cpu = own_cpu()?.saturating_sub(client_cpu);
    outcome.peak_bytes = server.tree().peak_bytes();
    outcome.after_bytes = server.tree().resident_bytes();
    Ok(outcome)
}

/// The same without a look at what it costs the server.
///
/// # Errors
/// When a connection fails; an answer that is an error is counted instead.
pub(crate) fn race(
    address: SocketAddr,
    clients: usize,
    limit: Duration,
    work: &(impl Fn(usize, &mut Caller) -> Result<()> + Sync),
) -> Result<Outcome> {
    let mut callers = Vec::with_capacity(clients);
    for _ in 0..clients {
        let connection = Connection::open(address)?;
        callers.push(Caller {
            connection,
            until: Instant::now(),
            latencies: Vec::with_capacity(1 << 14),
            refused: 0,
            refusal: None,
        });
    }
    let line = Barrier::new(clients + 1);
    let (began, ended) = std::thread::scope(|scope| {
        let line = &line;
        let threads: Vec<_> = callers
            .into_iter()
            .enumerate()
            .map(|(index, mut caller)| {
                scope.spawn(move || -> Result<(Caller, Instant)> {
                    line.wait();
                    caller.until = Instant::now() + limit;
                    work(index, &mut caller)?;
                    Ok((caller, Instant::now()))
                })
            })
            .collect();
        line.wait();
        let began = Instant::now();
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (began, ended)
    });
    let mut outcome = Outcome::default();
    for thread in ended {
        let (caller, end) = thread.ok().context("a client of the bench failed within itself")??;
        outcome.latencies.extend(caller.latencies);
        outcome.wall = outcome.wall.max(end.duration_since(began));
        outcome.refused += caller.refused;
        outcome.refusal = outcome.refusal.or(caller.refusal);
    }
    Ok(outcome)
}

/// One client a run, each sending all of `requests` in order, or as many as it can in time.
pub(crate) fn send_all(
    server: &Server,
    runs: &[String],
    requests: &[Request],
    limit: Duration,
) -> Result<Outcome> {
    together(server, runs.len(), limit, |index, caller| {
        for request in requests {
            if !caller.may_go_on() {
                break;
            }
            caller.timed(|connection| connection.call(request, &runs[index]))?;
        }
        Ok(())
    })
}

/// One client repeats one request: `count` times, or as often as it can in time, but once at least.
pub(crate) fn repeat(server: &Server, request: &Request, count: usize, limit: Duration) -> Result<Outcome> {
    together(server, 1, limit, |_, caller| {
        for number in 0..count {
            if number > 0 && !caller.may_go_on() {
                break;
            }
            caller.timed(|connection| connection.call(request, ""))?;
        }
        Ok(())
    })
}
