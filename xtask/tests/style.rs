//! The style of the house, as far as a machine can judge it. Each failure says what to do instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file of the heart is one arrow of the journey; a longer one is two arrows.
const HEART_LINES_MAX: usize = 400;
const LINES_MAX: usize = 800;

/// Files that may be longer, with the reason and how long they may get: never more than they are.
const LONGER: &[(&str, usize, &str)] = &[(
    "crates/model/src/method.rs",
    1143,
    "a list: one struct for each method of the protocol",
)];

/// What does not belong into the code of any file, and what to do instead. Spelled in two parts, so that this
/// file does not find itself.
const BANNED: &[(&str, &str, &str)] = &[
    (
        "todo",
        "!(",
        "write it, or leave it out and say so in an issue",
    ),
    (
        "unimplemented",
        "!(",
        "write it, or leave it out and say so in an issue",
    ),
    ("dbg", "!(", "use tracing, or nothing"),
    (
        "#[ig",
        "nore",
        "a test that is not run proves nothing: make it fast, or a chore of xtask",
    ),
    ("FIX", "ME", "fix it, or file an issue"),
    ("allow(dead", "_code)", "remove the code"),
    ("TO", "DO", "do it, or file an issue"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in a folder of the root")
        .to_owned()
}

/// Every Rust file of the project with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "xtask", "fuzz"]
        .map(|folder| root().join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        // fuzz/ may be missing in a packaged copy.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root())
                    .expect("it lies under the root")
                    .to_string_lossy()
                    .into_owned();
                files.push((
                    name,
                    std::fs::read_to_string(&path).expect("a source file is text"),
                ));
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.contains("/benches/")
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|(_, text)| {
        let first = text.lines().next().unwrap_or_default();
        first
            .strip_prefix("//!")
            .is_none_or(|sentence| sentence.trim().is_empty())
    });
    none(
        &silent
            .map(|(name, _)| format!("{name}: start with `//!` and what the file is for"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        let heart = name.starts_with("crates/broker/src/") && !is_test(&name);
        let usual = if heart { HEART_LINES_MAX } else { LINES_MAX };
        match LONGER.iter().find(|(longer, ..)| *longer == name) {
            Some((_, max, _)) if lines > *max => {
                wrong.push(format!("{name}: {lines} lines, it may have {max}"))
            }
            Some(_) if lines <= usual => {
                wrong.push(format!("{name}: short again, take it off the list LONGER"))
            }
            Some(_) => {}
            None if lines > usual => wrong.push(format!(
                "{name}: {lines} lines, more than {usual}: split it"
            )),
            None => {}
        }
    }
    none(&wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (first, second, instead) in BANNED {
                if line.contains(&format!("{first}{second}")) {
                    wrong.push(format!(
                        "{name}:{}: `{first}{second}`: {instead}",
                        number + 1
                    ));
                }
            }
        }
    }
    none(&wrong);
}

/// ARCHITECTURE.md names files of crates as `crate::file`: a name that is found by searching must be there.
#[test]
fn names_in_the_architecture_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let sources = sources();
    let crates: BTreeSet<&str> = sources
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("crates/")?.split('/').next())
        .collect();
    let mut wrong = Vec::new();
    // Between backticks are the odd parts.
    for name in text.split('`').skip(1).step_by(2) {
        let mut parts = name.trim_end_matches("()").split("::");
        let Some(first) = parts.next().filter(|first| crates.contains(first)) else {
            continue;
        };
        let own: Vec<_> = sources
            .iter()
            .filter(|(file, _)| file.starts_with(&format!("crates/{first}/")))
            .collect();
        let missing = parts.find(|part| !own.iter().any(|(file, text)| is_in(part, file, text)));
        if let Some(missing) = missing {
            wrong.push(format!(
                "ARCHITECTURE.md: `{name}`: no `{missing}` in crate {first}"
            ));
        }
    }
    none(&wrong);
}

/// Whether a part of a path is a file's or folder's name, or a whole word of its text.
fn is_in(part: &str, file: &str, text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    file.split(['/', '.']).any(|piece| piece == part)
        || text.split(|c| !word(c)).any(|piece| piece == part)
}

/// Links in the documents lead to files that are there.
#[test]
fn links_in_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = vec![root()];
    documents.push(root().join("docs"));
    let mut wrong = Vec::new();
    for folder in documents {
        for entry in std::fs::read_dir(&folder)
            .expect("a folder of documents")
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a document is text");
            for link in text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split([')', '#']).next())
            {
                if !link.is_empty() && !link.contains("://") && !folder.join(link).exists() {
                    wrong.push(format!("{}: nothing at `{link}`", path.display()));
                }
            }
        }
    }
    none(&wrong);
}
