//! `landfall definitions`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::say;
use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The options of `landfall definitions`.
#[derive(Debug, clap::Args)]
pub struct DefinitionsArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write users, virtual hosts, permissions, policies, queues, exchanges and bindings to a file, as RabbitMQ does
    Export {
        /// The file; - for standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        scope: Scope,
    },
    /// Make everything that a file says, which RabbitMQ or Landfall exported
    Import {
        /// The file; - for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        scope: Scope,
    },
}

#[derive(Debug, clap::Args)]
struct Scope {
    /// Only what belongs to this virtual host, which the file does not name
    #[arg(long, value_name = "NAME")]
    vhost: Option<String>,
}

impl Scope {
    fn path(&self) -> String {
        match &self.vhost {
            Some(vhost) => format!("/api/definitions/{}", part(vhost)),
            None => "/api/definitions".to_owned(),
        }
    }
}

/// Runs `landfall definitions`.
pub fn definitions(args: DefinitionsArgs) -> Result<()> {
    let api = Api::new(&args.server);
    match args.action {
        Action::Export { file, scope } => {
            let document = format!("{:#}\n", api.get(&scope.path())?);
            write(&file, document.as_bytes())
        }
        Action::Import { file, scope } => {
            let document = read(&file)?;
            let told = api.post(&scope.path(), &document)?;
            if args.server.json {
                return say(&format!("{told:#}"));
            }
            say(&summary(&told))
        }
    }
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if is_standard(file) {
        let mut document = Vec::new();
        let read = std::io::stdin().read_to_end(&mut document);
        read.context("cannot read standard input")?;
        return Ok(document);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, document: &[u8]) -> Result<()> {
    if is_standard(file) {
        let written = std::io::stdout().write_all(document);
        return written.context("cannot write to standard output");
    }
    // There are hashes of passwords in it: nobody else reads them.
    let mut options = std::fs::File::options();
    let opened = options.write(true).create(true).truncate(true).mode(0o600);
    let written = opened
        .open(file)
        .and_then(|mut file| file.write_all(document));
    written.with_context(|| format!("cannot write {}", file.display()))
}

/// What came of an import, for people.
fn summary(told: &Value) -> String {
    let sections = told["made"].as_object().into_iter().flatten();
    let counts = sections.filter_map(|(section, made)| {
        let there = &told["there_already"][section];
        let any = made.as_u64() != Some(0) || there.as_u64() != Some(0);
        any.then(|| {
            format!(
                "{:<18} {made} made, {there} there already",
                section.replace('_', " ")
            )
        })
    });
    let ignored = told["ignored"].as_array().into_iter().flatten();
    let ignored = ignored.map(|what| format!("ignored: {}", what.as_str().unwrap_or_default()));
    let lines: Vec<String> = counts.chain(ignored).collect();
    if lines.is_empty() {
        "nothing to make".to_owned()
    } else {
        lines.join("\n")
    }
}
