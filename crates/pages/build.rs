//! Builds `web/` with Node where Node is there; else a page stands in its place that says how to get it. A server without
//! pages is better than no server, so nothing that goes wrong here stops the build.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// From here.
const WEB: &str = "../../web";

/// What the pages are made of, in `web/`.
const SOURCES: [&str; 7] = [
    "src",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];

/// The oldest Node that the tools of `web/` run on.
const NODE: u32 = 20;

/// Stands in `node_modules` with what was installed there.
const STAMP: &str = ".installed-from-lock";

fn main() -> Result<(), Box<dyn Error>> {
    // Asked now and not when this was compiled: checkouts may share what cargo has built.
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo tells where it is")?;
    let web = Path::new(&here).join(WEB);
    let out = env::var_os("OUT_DIR").ok_or("cargo tells where to write")?;
    let pages = PathBuf::from(out).join("pages");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={WEB}/{source}");
    }
    if pages.exists() {
        fs::remove_dir_all(&pages)?;
    }
    if let Err(why) = build(&web, &pages) {
        println!("cargo::warning=there are no management pages in this build: {why}");
        // A file that is never there: the next build tries again, with a Node or a network that has come meanwhile.
        println!("cargo::rerun-if-changed={}", pages.join("none").display());
        fs::create_dir_all(&pages)?;
        let page = include_str!("src/without.html").replace("{why}", &escaped(&why));
        fs::write(pages.join("index.html"), page)?;
    }
    Ok(())
}

fn build(web: &Path, pages: &Path) -> Result<(), String> {
    let said = run(Command::new("node").arg("--version"))?;
    let major = said.trim().trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse().ok()).unwrap_or(0) < NODE {
        return Err(format!("Node is {}, older than {NODE}", said.trim()));
    }
    install(web)?;
    let build = ["run", "build", "--silent"];
    let mut build = npm(web, &build);
    run(build.env("LANDFALL_PAGES_OUT", pages)).map(drop)
}

/// Fetches what the lock file pins, unless it is there. No package runs a script of its own.
fn install(web: &Path) -> Result<(), String> {
    let lock = fs::read_to_string(web.join("package-lock.json"));
    let lock = lock.map_err(|error| format!("web/package-lock.json: {error}"))?;
    let stamp = web.join("node_modules").join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let install = [
        "ci",
        "--ignore-scripts",
        "--no-fund",
        "--no-audit",
        "--loglevel=error",
        "--fetch-retries=1",
    ];
    run(&mut npm(web, &install))?;
    fs::write(&stamp, lock).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn npm(web: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(args).current_dir(web);
    command
}

/// What it printed; or why it failed, in a line.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    let first: Vec<&str> = lines.take(4).collect();
    Err(format!("{program} failed: {}", first.join(" / ")))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
