//! The chores that check: each is a list of steps, and `test` is all of them.

use crate::clients::{self, ClientsArgs};
use crate::install;
use crate::shell::{cargo, root, run, succeeds};
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
    steps.step("fuzzing", || fuzz_targets(args.fuzz_seconds));
    steps.step("other people's clients", || {
        clients::run_suites(&ClientsArgs::default())
    });
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
        run(cargo(&["nextest", "run"]).args(all))
    } else {
        run(cargo(&["test", "--lib", "--bins", "--tests"]).args(all))
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

/// Kills the server again and again under load and compares what was confirmed with what came out.
pub(crate) fn crash(args: &CrashArgs) -> Result<()> {
    run(cargo(&[
        "test",
        "--release",
        "--package",
        "landfall-server",
        "--test",
        "crash",
        "--",
        "--nocapture",
    ])
    .env("LANDFALL_TEST_KILLS", args.kills.to_string()))
}

/// Random input for every decoder.
pub(crate) fn fuzz(args: &FuzzArgs) -> Result<()> {
    fuzz_targets(args.seconds)
}

/// Each target for some seconds. The fuzzer needs flags that a stable compiler has and does not offer;
/// RUSTC_BOOTSTRAP offers them.
fn fuzz_targets(seconds: u32) -> Result<()> {
    if !succeeds(&mut cargo(&["fuzz", "--version"])) {
        println!("needs cargo-fuzz: it is built once");
        run(&mut cargo(&["install", "--locked", "cargo-fuzz"]))?;
    }
    let folder = root().join("fuzz/fuzz_targets");
    let targets = std::fs::read_dir(&folder).context("cannot list the fuzz targets")?;
    let mut targets: Vec<_> = targets.flatten().map(|entry| entry.path()).collect();
    targets.sort();
    for target in targets {
        let name = target.file_stem().context("a fuzz target without a name")?;
        let time = format!("-max_total_time={seconds}");
        run(cargo(&["fuzz", "run"])
            .arg(name)
            .args(["--", &time])
            .env("RUSTC_BOOTSTRAP", "1"))?;
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
