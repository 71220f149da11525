//! The chores that check: each is a list of steps, and `test` is all of them.

use crate::bench;
use crate::clients::{self, ClientsArgs};
use crate::cluster_test;
use crate::definitions;
use crate::install;
use crate::pages;
use crate::shell::{cargo, root, run, succeeds, target_dir};
use crate::sim;
use crate::steps::Steps;
use anyhow::{Context, Result};
use clap::Args;

/// What `cargo xtask test` can be told.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// How long each decoder is fuzzed, in seconds
    #[arg(long, default_value_t = 15)]
    fuzz_seconds: u32,
}

/// What `cargo xtask fuzz` can be told.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// How long each decoder is fuzzed
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// What `cargo xtask crash` can be told.
#[derive(Args)]
pub(crate) struct CrashArgs {
    /// How often the server is killed
    #[arg(long, default_value_t = 300)]
    kills: u32,
}

/// Everything.
pub(crate) fn test(args: &TestArgs) -> Result<()> {
    let mut steps = Steps::default();
    steps.step("packages", || install::packages(install::FOR_TESTS));
    add_lints(&mut steps);
    steps.step("ranks and style", house_tests);
    steps.step("tests", cargo_tests);
    steps.step("examples in documents", doc_tests);
    steps.step("simulator", sim::run_some);
    steps.step("fuzzing", || fuzz_targets(args.fuzz_seconds));
    steps.step("other people's clients", || {
        clients::run_suites(&ClientsArgs::default())
    });
    steps.step("RabbitMQ's definitions", definitions::go_both_ways);
    steps.step("pages in a browser", pages::walk_through);
    steps.step("a large server's pages", bench::run_small_scale);
    steps.step("a cluster under faults", cluster_test::run_some);
    steps.finish()
}

/// Formatting, lints, documents.
pub(crate) fn lint() -> Result<()> {
    let mut steps = Steps::default();
    add_lints(&mut steps);
    steps.finish()
}

fn add_lints(steps: &mut Steps) {
    steps.step("format", || run(&mut cargo(&["fmt", "--all", "--check"])));
    steps.step("clippy", || {
        run(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    });
    steps.step("documents", || {
        run(cargo(&["doc", "--workspace", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "--deny warnings"))
    });
}

/// The order of the crates, their purity, the style.
pub(crate) fn ranks() -> Result<()> {
    house_tests()
}

fn house_tests() -> Result<()> {
    run(&mut cargo(&["test", "--quiet", "--package", "xtask"]))
}

/// All tests of all crates, by cargo-nextest where it is installed: it runs the tests of different crates side
/// by side. Those of xtask are a step of their own.
fn cargo_tests() -> Result<()> {
    let all = ["--workspace", "--exclude", "xtask"];
    if succeeds(&mut cargo(&["nextest", "--version"])) {
        run(cargo(&["nextest", "run", "--no-fail-fast"]).args(all))
    } else {
        run(cargo(&["test", "--lib", "--bins", "--tests", "--no-fail-fast"]).args(all))
    }
}

fn doc_tests() -> Result<()> {
    run(&mut cargo(&[
        "test",
        "--doc",
        "--quiet",
        "--workspace",
        "--exclude",
        "xtask",
    ]))
}

/// Kills the server again and again under load and compares what was confirmed with what came out; and likewise an
/// application with inbox and outbox.
pub(crate) fn crash(args: &CrashArgs) -> Result<()> {
    run(cargo(&[
        "test",
        "--release",
        "--package",
        "landfall-server",
        "--test",
        "end_to_end",
        "--",
        "crash::",
        "exactly_once::",
        "--nocapture",
    ])
    .env("LANDFALL_TEST_KILLS", args.kills.to_string()))
}

/// Random input for every decoder.
pub(crate) fn fuzz(args: &FuzzArgs) -> Result<()> {
    fuzz_targets(args.seconds)
}

/// What makes a program count the branches that an input takes: the flags that cargo-fuzz sets, without its
/// installation. The sanitizer of addresses is left out: there is no unsafe code of ours to watch.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Each target for some seconds.
fn fuzz_targets(seconds: u32) -> Result<()> {
    let folder = root().join("fuzz");
    let targets =
        std::fs::read_dir(folder.join("fuzz_targets")).context("cannot list the fuzz targets")?;
    // Naming the host keeps the flags away from the build scripts, which would not link with them.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut targets: Vec<_> = targets.flatten().map(|entry| entry.path()).collect();
    targets.sort();
    for target in targets {
        let name = target
            .file_stem()
            .and_then(|name| name.to_str())
            .context("a fuzz target without a name")?;
        let corpus = folder.join("corpus").join(name);
        let artifacts = folder.join("artifacts").join(name);
        std::fs::create_dir_all(&corpus).context("cannot make the folder of the corpus")?;
        std::fs::create_dir_all(&artifacts).context("cannot make the folder of the artifacts")?;
        run(cargo(&[
            "run",
            "--quiet",
            "--release",
            "--target",
            &host,
            "--bin",
            name,
            "--",
        ])
        .arg(format!("-max_total_time={seconds}"))
        // A decoder that hangs or grows is as bad as one that panics.
        .args(["-timeout=10", "-rss_limit_mb=512"])
        .args(["-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(corpus)
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target_dir().join("fuzz"))
        .env("RUSTFLAGS", COVERAGE))?;
    }
    Ok(())
}

/// Licences, sources and duplicates of the dependencies. Advisories come from a database on the network and
/// say something new each day: they belong to a person's routine (`cargo deny check advisories`), not to a test.
pub(crate) fn deny() -> Result<()> {
    if !succeeds(&mut cargo(&["deny", "--version"])) {
        println!("needs cargo-deny: it is built once, which takes some minutes");
        run(&mut cargo(&["install", "--locked", "cargo-deny"]))?;
    }
    run(&mut cargo(&[
        "deny",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}
