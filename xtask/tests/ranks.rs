//! The order of the house: a crate uses only crates of a lower rank, and the pure ones stand on nothing that
//! could reach a clock, a socket, a thread pool or chance.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every crate of the house with its rank. What is not here yet joins with its first line of code.
const RANKS: &[(&str, u32)] = &[
    ("landfall-model", 0),
    ("landfall-wire", 1),
    ("landfall-broker", 1),
    ("landfall-store", 1),
    ("landfall-journal", 2),
    ("landfall-cluster", 2),
    ("landfall-client", 2),
    ("landfall-admin", 2),
    ("landfall-pages", 2),
    ("landfall-server", 3),
    ("landfall-sim", 4),
];

/// The chores use whatever they check, and nothing uses the chores.
const WITHOUT_RANK: &str = "xtask";

/// Arrows that the ranks would allow, and a duty forbids.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    (
        "landfall-client",
        "landfall-broker",
        "a client shares the protocol with a server, not its insides",
    ),
    (
        "landfall-client",
        "landfall-store",
        "a client shares the protocol with a server, not its insides",
    ),
    (
        "landfall-journal",
        "landfall-wire",
        "the journal knows records, not frames",
    ),
    (
        "landfall-journal",
        "landfall-broker",
        "the journal knows records, not queues",
    ),
    (
        "landfall-cluster",
        "landfall-wire",
        "the cluster's store knows records, not frames",
    ),
    (
        "landfall-cluster",
        "landfall-broker",
        "the cluster's store knows records, not queues",
    ),
];

/// The pure crates.
const PURE: &[&str] = &[
    "landfall-model",
    "landfall-wire",
    "landfall-broker",
    "landfall-store",
];

/// All that the pure crates may stand on, with everything below it. None of these reads a clock, opens a file or
/// a socket, starts a thread or draws a number.
const PURE_MAY_USE: &[(&str, &str)] = &[
    ("bytes", "reference-counted buffers"),
    ("smallvec", "short lists without an allocation"),
    ("rustc-hash", "a hash without a random key"),
    (
        "thiserror",
        "error enums; only its macro runs, in the compiler",
    ),
    ("thiserror-impl", "the macro of thiserror"),
    ("proc-macro2", "below the macro, in the compiler"),
    ("quote", "below the macro, in the compiler"),
    ("syn", "below the macro, in the compiler"),
    ("unicode-ident", "below the macro, in the compiler"),
    ("sha2", "arithmetic: password hashes"),
    ("md-5", "arithmetic: old password hashes"),
    ("digest", "the traits of both"),
    ("block-buffer", "below the digests"),
    ("crypto-common", "below the digests"),
    ("generic-array", "below the digests"),
    ("typenum", "below the digests"),
    ("version_check", "below generic-array, in the build script"),
    (
        "cpufeatures",
        "asks the processor which instructions it has",
    ),
    ("libc", "constants for cpufeatures on other processors"),
    ("cfg-if", "below the digests, in the compiler"),
    (
        "fancy-regex",
        "regular expressions with a limit on their steps",
    ),
    ("bit-set", "below fancy-regex"),
    ("bit-vec", "below fancy-regex"),
    ("regex-automata", "below fancy-regex"),
    ("regex-syntax", "below fancy-regex"),
    ("crc32c", "arithmetic"),
    ("xxhash-rust", "arithmetic"),
    (
        "rustc_version",
        "asks in the build script of crc32c which compiler it is",
    ),
    ("semver", "below rustc_version, in the build script"),
];

/// The packages of the workspace, and who needs whom, tests and build scripts apart.
struct House {
    members: BTreeSet<String>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

fn house() -> House {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs this test, so it can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let names: BTreeMap<&str, &str> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let members = list(&metadata["workspace_members"])
        .iter()
        .map(|id| names[text(id)].to_owned())
        .collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let needed = list(&node["deps"])
            .iter()
            .filter(|dependency| is_needed(dependency));
        let needed = needed.map(|dependency| names[text(&dependency["pkg"])].to_owned());
        needs
            .entry(names[text(&node["id"])].to_owned())
            .or_default()
            .extend(needed);
    }
    House { members, needs }
}

/// Whether the crate itself, not only its tests, needs the dependency.
fn is_needed(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"])
        .iter()
        .any(|kind| kind["kind"] != "dev")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("cargo metadata has a list here")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo metadata has a string here")
}

fn rank(name: &str) -> Option<u32> {
    RANKS
        .iter()
        .find(|(ranked, _)| *ranked == name)
        .map(|(_, rank)| *rank)
}

#[test]
fn every_crate_has_its_rank() {
    let unranked: Vec<_> = house()
        .members
        .into_iter()
        .filter(|name| name != WITHOUT_RANK && rank(name).is_none())
        .collect();
    assert!(
        unranked.is_empty(),
        "{unranked:?}: give them a rank in RANKS, and a duty in ARCHITECTURE.md"
    );
}

#[test]
fn a_crate_uses_only_lower_ranks() {
    let house = house();
    let mut wrong = Vec::new();
    for (name, needs) in house
        .needs
        .iter()
        .filter(|(name, _)| house.members.contains(*name))
    {
        for needed in needs
            .iter()
            .filter(|needed| house.members.contains(*needed))
        {
            if needed == WITHOUT_RANK {
                wrong.push(format!("{name} uses {WITHOUT_RANK}"));
            }
            if let (Some(own), Some(other)) = (rank(name), rank(needed))
                && other >= own
            {
                wrong.push(format!("{name} (rank {own}) uses {needed} (rank {other})"));
            }
        }
        let forbidden = FORBIDDEN
            .iter()
            .filter(|(from, to, _)| name == from && needs.contains(*to));
        wrong.extend(forbidden.map(|(from, to, why)| format!("{from} uses {to}: {why}")));
    }
    assert!(
        wrong.is_empty(),
        "arrows that go the wrong way:\n{}",
        wrong.join("\n")
    );
}

/// All packages below one of ours, on any machine, with the features that it asks for itself. (`cargo metadata`
/// adds those that its neighbours and their tests ask for, and what these would need.)
fn all_below(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", name, "--edges", "normal,build"])
        .args(["--target", "all", "--prefix", "none", "--format", "{p}"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs this test, so it can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = said.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_pure_crates_stand_on_pure_ones() {
    let mut wrong = Vec::new();
    for pure in PURE {
        let below = all_below(pure);
        assert!(below.contains(*pure), "cargo tree tells of {pure}");
        let is_pure = |name: &String| {
            PURE.contains(&name.as_str()) || PURE_MAY_USE.iter().any(|(allowed, _)| allowed == name)
        };
        let others = below.iter().filter(|name| !is_pure(name));
        wrong.extend(others.map(|name| format!("{pure} stands on {name}")));
    }
    assert!(
        wrong.is_empty(),
        "not on the list of what is pure:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_list_of_what_is_pure_holds_nothing_unused() {
    let house = house();
    let unused: Vec<_> = PURE_MAY_USE
        .iter()
        .filter(|(name, _)| !house.needs.contains_key(*name))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}
