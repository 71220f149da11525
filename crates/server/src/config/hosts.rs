//! Under which names the HTTP API answers on its own machine.

use admin::Hosts;
use anyhow::ensure;

/// What `--admin-hosts` says, and the machine's own name.
pub(super) fn hosts(said: &str) -> anyhow::Result<Hosts> {
    if said == "any" {
        return Ok(Hosts::any());
    }
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    let short = machine.split('.').next().unwrap_or_default();
    let said = said.split(',').map(str::trim);
    let mut names: Vec<&str> = said.filter(|name| *name != "none").collect();
    for name in &names {
        ensure!(
            is_name(name),
            "admin-hosts: '{name}' is not the name of a host, nor any or none"
        );
    }
    names.extend([&*machine, short]);
    Ok(Hosts::named(names))
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=255).contains(&text.len()) && text != "any" && text.bytes().all(allowed)
}
