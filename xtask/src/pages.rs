//! The management pages in a real browser, at a real server: every page in light and dark, on a wide screen and on a phone,
//! a message on its way through them (published, given back until it is parked, redriven, acknowledged), what else operators
//! do, and names that would be markup.

use crate::install;
use crate::server::{Program, Server};
use crate::shell::{cargo, command, root, run, target_dir};
use anyhow::{Context, Result};

/// The chore. What the browser saw lies in `target/pages/` afterwards.
pub(crate) fn walk_through() -> Result<()> {
    install::packages(install::FOR_PAGES)?;
    let web = root().join("web");
    install::node(&web)?;
    run(command("npm", &["test", "--silent"]).current_dir(&web))?;
    run(&mut cargo(&["build", "--package", "landfall-server"]))?;
    let server = Server::start(Program::Landfall(
        target_dir().join("debug").join("landfall"),
    ))?;
    let pictures = target_dir().join("pages");
    std::fs::create_dir_all(&pictures).context("cannot make the folder of the pictures")?;
    let url = format!("http://127.0.0.1:{}", server.admin_port());
    let amqp = format!("amqp://127.0.0.1:{}", server.port());
    run(command("node", &["test/walk.mjs", &url, &amqp])
        .arg(&pictures)
        .current_dir(&web))?;
    println!("pictures of all pages: {}", pictures.display());
    Ok(())
}
