//! The queue held against what it promises, with random jobs, ends and settings.

use super::*;
use proptest::prelude::*;

fn id(number: i64) -> JobId {
    format!("j{number}").parse().unwrap()
}

fn settings(cpus: u32, gpus: u32) -> Settings {
    Settings {
        paused: false,
        jobs: None,
        cpu_milli: cpus * 1_000,
        memory_bytes: 1_000,
        gpus: (0..gpus).collect(),
    }
}

fn waiting(number: i64, group: i64, priority: i32, cpus: u32, gpus: u32) -> Waiting {
    let resources = Resources { cpu_milli: Some(cpus * 1_000), gpus, ..Resources::default() };
    Waiting::new(number, group, priority, resources)
}

fn starts(order: &mut Order) -> Vec<String> {
    std::iter::from_fn(|| order.take_next()).map(|(job, _)| job.to_string()).collect()
}

#[test]
fn priority_first_then_turns_then_first_come() {
    let mut order = Order::new(settings(1, 0));
    for (number, group, priority) in [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 2, 0), (5, 2, 0), (6, 3, 7)] {
        order.add(id(number), waiting(number, group, priority, 1, 0));
    }
    let mut seen = Vec::new();
    while let Some((job, _)) = order.take_next() {
        order.release(&job);
        seen.push(job.to_string());
    }
    assert_eq!(seen, ["j6", "j1", "j4", "j2", "j5", "j3"]);
}

#[test]
fn graphics_processors_are_lent_to_one_at_a_time() {
    let mut order = Order::new(settings(8, 2));
    for number in 1..=3 {
        order.add(id(number), waiting(number, 1, 0, 1, 1));
    }
    assert_eq!(order.take_next().unwrap().1.gpus, [0]);
    assert_eq!(order.take_next().unwrap().1.gpus, [1]);
    assert_eq!(order.take_next(), None);
    assert_eq!(order.reason(&id(3)).unwrap(), "it waits for GPUs that others hold");
    order.release(&id(1));
    assert_eq!(order.take_next().unwrap(), (id(3), Place { gpus: vec![0] }));
    assert_eq!(order.gpu_holders(), BTreeMap::from([(0, id(3)), (1, id(2))]));
}

#[test]
fn a_large_job_is_not_passed_for_ever() {
    let mut order = Order::new(settings(2, 0));
    order.add(id(0), waiting(0, 0, 0, 1, 0));
    assert_eq!(starts(&mut order), ["j0"]);
    order.add(id(1), waiting(1, 1, 0, 2, 0));
    let mut small = 2;
    let mut before = 0;
    loop {
        order.add(id(small), waiting(small, 2, 0, 1, 0));
        let Some((job, _)) = order.take_next() else { break };
        assert_eq!(job, id(small));
        order.release(&job);
        small += 1;
        before += 1;
        assert!(before <= PATIENCE, "it starves");
    }
    order.release(&id(0));
    assert_eq!(order.take_next().unwrap().0, id(1));
}

#[test]
fn what_can_never_fit_keeps_nobody_waiting_and_says_why() {
    let mut order = Order::new(settings(2, 0));
    order.add(id(1), waiting(1, 1, 9, 1, 1));
    for number in 2..100 {
        order.add(id(number), waiting(number, 1, 0, 1, 0));
        let (job, _) = order.take_next().unwrap();
        order.release(&job);
    }
    assert_eq!(order.reason(&id(1)).unwrap(), "it needs 1 GPUs, and the queue has 0 to give");
    order.set(settings(2, 1));
    assert_eq!(order.take_next().unwrap().0, id(1));
}

#[test]
fn nothing_starts_while_paused_and_somebody_at_a_terminal_waits_for_no_processor() {
    let mut order = Order::new(Settings { paused: true, ..settings(1, 0) });
    order.add(id(1), waiting(1, 1, 0, 1, 0));
    assert_eq!(order.take_next(), None);
    order.set(settings(1, 0));
    assert_eq!(starts(&mut order), ["j1"]);
    order.add(id(2), waiting(2, 1, 0, 1, 0));
    order.add(id(3), Waiting { at_once: true, ..waiting(3, 1, 0, 1, 0) });
    assert_eq!(starts(&mut order), ["j3"]);
}

#[test]
fn ten_thousand_jobs_are_no_strain() {
    let mut order = Order::new(settings(2, 0));
    let begun = std::time::Instant::now();
    for number in 0..10_000 {
        order.add(id(number), waiting(number, number % 50, 0, 1, 0));
    }
    let mut started = 0;
    while let Some((job, _)) = order.take_next() {
        order.release(&job);
        started += 1;
    }
    assert_eq!(started, 10_000);
    // A debug build on a busy machine takes a second or two.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[derive(Debug, Clone)]
enum Event {
    Add { group: i64, priority: i32, cpus: u32, gpus: u32 },
    End(usize),
    Remove(usize),
    Set { cpus: u32, gpus: u32, jobs: Option<u32>, paused: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4_i64, -1..2_i32, 0..4_u32, 0..3_u32)
            .prop_map(|(group, priority, cpus, gpus)| Event::Add { group, priority, cpus, gpus }),
        3 => (0..100_usize).prop_map(Event::End),
        1 => (0..100_usize).prop_map(Event::Remove),
        1 => (0..5_u32, 0..3_u32, proptest::option::of(0..4_u32), any::<bool>())
            .prop_map(|(cpus, gpus, jobs, paused)| Event::Set { cpus, gpus, jobs, paused }),
    ]
}

proptest! {
    /// Never more is given away than there is, nobody runs twice, nobody is forgotten.
    #[test]
    fn promises_hold(events in proptest::collection::vec(event(), 1..200)) {
        let mut now = settings(2, 1);
        let mut order = Order::new(now.clone());
        let mut queued: Vec<JobId> = Vec::new();
        let mut running: Vec<(JobId, u32, Place)> = Vec::new();
        let mut asked: HashMap<JobId, (u32, u32)> = HashMap::new();
        for (number, event) in (1..).zip(events) {
            match event {
                Event::Add { group, priority, cpus, gpus } => {
                    order.add(id(number), waiting(number, group, priority, cpus, gpus));
                    asked.insert(id(number), (cpus, gpus));
                    queued.push(id(number));
                }
                Event::End(which) if !running.is_empty() => {
                    let (job, ..) = running.swap_remove(which % running.len());
                    order.release(&job);
                }
                Event::Remove(which) if !queued.is_empty() => {
                    let job = queued.swap_remove(which % queued.len());
                    prop_assert!(order.remove(&job).is_some());
                }
                Event::Set { cpus, gpus, jobs, paused } => {
                    now = Settings { jobs, paused, ..settings(cpus, gpus) };
                    order.set(now.clone());
                }
                _ => {}
            }
            while let Some((job, place)) = order.take_next() {
                let at = queued.iter().position(|queued| *queued == job);
                prop_assert!(at.is_some(), "{job} was not waiting");
                queued.remove(at.unwrap());
                let (cpus, gpus) = asked[&job];
                prop_assert!(!now.paused);
                prop_assert_eq!(place.gpus.len(), gpus as usize);
                for gpu in &place.gpus {
                    prop_assert!(now.gpus.contains(gpu));
                    prop_assert!(running.iter().all(|(_, _, held)| !held.gpus.contains(gpu)), "lent twice");
                }
                running.push((job, cpus, place));
                let held: u32 = running.iter().map(|(_, cpus, _)| cpus).sum();
                prop_assert!(held * 1_000 <= now.cpu_milli, "more than there is");
                prop_assert!(now.jobs.is_none_or(|jobs| running.len() <= jobs as usize));
            }
            prop_assert_eq!(order.waiting(), queued.len());
            for job in &queued {
                prop_assert!(order.reason(job).is_some());
            }
        }
        // With enough of everything and an end of what runs, everybody gets a turn.
        order.set(settings(1_000, 3));
        while !queued.is_empty() {
            for (job, ..) in running.drain(..) {
                order.release(&job);
            }
            let before = queued.len();
            while let Some((job, place)) = order.take_next() {
                queued.retain(|queued| *queued != job);
                running.push((job, 0, place));
            }
            prop_assert!(queued.len() < before, "nobody gets a turn: {:?}", queued);
        }
    }
}

#[test]
fn everybody_knows_where_they_stand() {
    let mut order = Order::new(settings(1, 0));
    for (number, group, priority) in [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 2, 0), (5, 2, 0), (6, 3, 7)] {
        order.add(id(number), waiting(number, group, priority, 1, 0));
    }
    let places = |order: &mut Order| (1..=6).map(|number| order.position(&id(number))).collect::<Vec<_>>();
    assert_eq!(places(&mut order), [Some(2), Some(4), Some(6), Some(3), Some(5), Some(1)]);
    assert_eq!(order.take_next().unwrap().0, id(6));
    order.remove(&id(4));
    assert_eq!(places(&mut order), [Some(1), Some(3), Some(4), None, Some(2), None]);
}

#[test]
fn a_job_waits_for_room_on_the_disk_and_holds_nobody_up() {
    let mut order = Order::new(settings(1, 0));
    let resources = Resources { disk_bytes: Some(10 << 20), ..Resources::default() };
    order.add(id(1), Waiting::new(1, 1, 0, resources));
    order.add(id(2), waiting(2, 1, 0, 1, 0));
    assert!(order.needs_disk());
    order.see_free_disk(5 << 20);
    let reason = "it needs 10 MiB of room on the disk, and 5 MiB are free";
    assert_eq!(order.reason(&id(1)).as_deref(), Some(reason));
    assert_eq!(order.take_next().unwrap().0, id(2));
    order.release(&id(2));
    order.see_free_disk(50 << 20);
    assert_eq!(order.take_next().unwrap().0, id(1));
    assert!(!order.needs_disk());
}
