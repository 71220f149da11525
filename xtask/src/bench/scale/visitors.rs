//! Whoever looks at a server all the time: a browser on the overview and one on the queues, and Prometheus.

use super::pages::{AUDIT, BINDINGS, EACH, FIRST, LARGEST, LOGIN, RULES, STATES, ask};
use anyhow::{Context, Result, anyhow};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is asked again and again, and how often: as the pages do of a server with so many queues, and Prometheus at a third of
/// its usual interval.
const ASKED: [(u64, &[&str]); 4] = [
    (5, &["/api/overview", LARGEST, FIRST, "/api/nodes"]),
    (5, &["/metrics", EACH]),
    (15, &[STATES, "/api/consumers"]),
    (60, &[RULES, BINDINGS, AUDIT]),
];

/// They look until they leave.
pub(super) struct Visitors {
    threads: Vec<JoinHandle<Result<()>>>,
    leave: Arc<AtomicBool>,
}

impl Visitors {
    /// They come for the next turn, having looked for so long before: what is asked once in a minute is not asked in each
    /// turn of some seconds.
    pub(super) fn come(port: u16, looked: Duration) -> Self {
        let leave = Arc::new(AtomicBool::new(false));
        let mut threads: Vec<_> = ASKED
            .into_iter()
            .map(|(seconds, paths)| {
                let leave = leave.clone();
                let every = Duration::from_secs(seconds);
                std::thread::spawn(move || look(port, paths, every, looked, &leave))
            })
            .collect();
        let leaving = leave.clone();
        threads.push(std::thread::spawn(move || follow(port, &leaving)));
        Self { threads, leave }
    }

    /// # Errors
    /// If one of them was not answered.
    pub(super) fn leave(self) -> Result<()> {
        self.leave.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a visitor panicked"))??;
        }
        Ok(())
    }
}

fn look(
    port: u16,
    paths: &[&str],
    every: Duration,
    looked: Duration,
    leave: &AtomicBool,
) -> Result<()> {
    let began = Instant::now();
    let looks = |time: Duration| ((time + every / 2).as_secs_f64() / every.as_secs_f64()) as u64;
    let mut done = looks(looked);
    while !leave.load(Ordering::Relaxed) {
        if looks(looked + began.elapsed()) > done {
            done += 1;
            for path in paths {
                ask(port, path)?;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Hears how things stand, every second.
fn follow(port: u16, leave: &AtomicBool) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}/api/landfall/live");
    let asked = ureq::get(&url).header(LOGIN.0, LOGIN.1).call();
    let answer = asked.context("the live figures")?;
    let mut stream = answer.into_body().into_reader();
    let mut some = [0; 4096];
    while !leave.load(Ordering::Relaxed) {
        stream.read(&mut some).context("the live figures")?;
    }
    Ok(())
}
