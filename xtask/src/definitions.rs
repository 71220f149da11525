//! Definitions between RabbitMQ and Landfall: what a real RabbitMQ exports is imported by a running Landfall, whose
//! users then log in with their passwords and whose messages find their way; and what that Landfall exports is
//! imported by another RabbitMQ, which then exports the same again.

use crate::install;
use crate::server::{Program, Server};
use crate::shell::{Scratch, cargo, command, root, run, target_dir};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What must come through unchanged. Parameters of the cluster itself are RabbitMQ's own business.
const SECTIONS: [&str; 8] = [
    "users",
    "permissions",
    "topic_permissions",
    "parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
];

/// What the chore works with.
struct Tools {
    python: PathBuf,
    landfall: PathBuf,
    folder: Scratch,
    /// Users that RabbitMQ's own commands make: names, passwords, what they may.
    users: PathBuf,
}

/// The chore.
pub(crate) fn go_both_ways() -> Result<()> {
    install::packages(install::FOR_RABBITMQ)?;
    let clients = root().join("tests/clients/python/requirements.txt");
    let tools = Tools {
        python: install::python(&clients)?,
        landfall: target_dir().join("debug").join("landfall"),
        folder: Scratch::new("definitions")?,
        users: root().join("tests/definitions/users.json"),
    };
    run(&mut cargo(&["build", "--package", "landfall-server"]))?;
    let exported = tools.folder.path().join("rabbitmq.json");
    let ours = tools.folder.path().join("landfall.json");
    let again = tools.folder.path().join("rabbitmq-again.json");
    tools.export_from_rabbitmq(&exported)?;
    tools.through_landfall(&exported, &ours)?;
    tools.through_rabbitmq(&exported, &ours, &again)?;
    let theirs = read(&exported)?;
    ensure_same("Landfall's export", &theirs, &read(&ours)?)?;
    ensure_same("the second RabbitMQ's export", &theirs, &read(&again)?)?;
    let rows: usize = SECTIONS.iter().map(|name| rows(&theirs, name).len()).sum();
    println!("{rows} definitions went from RabbitMQ to Landfall and on to RabbitMQ");
    Ok(())
}

impl Tools {
    /// Starts a RabbitMQ, has users and topology made by its own commands, and has it export them.
    fn export_from_rabbitmq(&self, exported: &Path) -> Result<()> {
        println!("\nRabbitMQ gets users and topology");
        let server = Server::start(Program::RabbitMq)?;
        let topology = root().join("tests/definitions/topology.json");
        let ctl = |args: &[&str]| run(&mut server.rabbitmqctl(args)?);
        ctl(&["import_definitions", text(&topology)?])?;
        for user in list(&read(&self.users)?) {
            let name = field(user, "name")?;
            ctl(&["add_user", name, field(user, "password")?])?;
            let tags = list(&user["tags"]).iter().filter_map(Value::as_str);
            let tags: Vec<&str> = ["set_user_tags", name].into_iter().chain(tags).collect();
            ctl(&tags)?;
            for row in list(&user["permissions"]) {
                let [vhost, configure, write, read] =
                    fields(row, ["vhost", "configure", "write", "read"])?;
                ctl(&["set_permissions", "-p", vhost, name, configure, write, read])?;
            }
            for row in list(&user["topics"]) {
                let [vhost, exchange, write, read] =
                    fields(row, ["vhost", "exchange", "write", "read"])?;
                ctl(&[
                    "set_topic_permissions",
                    "-p",
                    vhost,
                    name,
                    exchange,
                    write,
                    read,
                ])?;
            }
        }
        ctl(&["set_user_limits", "ada", r#"{"max-connections": 40}"#])?;
        ctl(&["export_definitions", text(exported)?])?;
        self.check(&server, exported)
    }

    /// Imports into Landfall, checks, checks once more after a `kill -9`, and exports.
    fn through_landfall(&self, exported: &Path, ours: &Path) -> Result<()> {
        println!("\nLandfall imports what RabbitMQ exported");
        let mut server = Server::start(Program::Landfall(self.landfall.clone()))?;
        let operate =
            |server: &Server, args: &[&str]| run(&mut server.operate(&self.landfall, args));
        operate(&server, &["definitions", "import", text(exported)?])?;
        self.check(&server, exported)?;
        server.kill()?;
        server.launch()?;
        self.check(&server, exported)?;
        operate(&server, &["definitions", "export", text(ours)?])?;
        rabbitmqadmin(&server)
    }

    /// Imports what Landfall exported into a RabbitMQ that knows nothing, checks, and exports.
    fn through_rabbitmq(&self, exported: &Path, ours: &Path, again: &Path) -> Result<()> {
        println!("\nanother RabbitMQ imports what Landfall exported");
        let server = Server::start(Program::RabbitMq)?;
        run(&mut server.rabbitmqctl(&["import_definitions", text(ours)?])?)?;
        self.check(&server, exported)?;
        run(&mut server.rabbitmqctl(&["export_definitions", text(again)?])?)
    }

    /// Asks a server, by AMQP, whether it is what the exported file says.
    fn check(&self, server: &Server, exported: &Path) -> Result<()> {
        let port = server.port().to_string();
        let checked = run(
            command(&self.python, &["tests/definitions/check.py", &port])
                .arg(exported)
                .arg(&self.users),
        );
        checked.with_context(|| server.end_of_log())
    }
}

/// RabbitMQ's own tool, which its package brings, finds what it looks for.
fn rabbitmqadmin(server: &Server) -> Result<()> {
    println!("\nrabbitmqadmin asks Landfall");
    let port = server.admin_port().to_string();
    for line in [
        "show overview",
        "list vhosts",
        "list users",
        "list permissions",
        "list queues vhost name type arguments",
        "list exchanges",
        "list bindings",
        "list policies",
        "list vhost_limits",
        "declare vhost name=new",
        "declare user name=eve password=e tags=management",
        "declare permission vhost=new user=eve configure=.* write=.* read=.*",
        "declare policy name=short pattern=^s definition={\"max-length\":9} apply-to=queues",
        "declare vhost_limit vhost=new name=max-queues value=3",
        "delete vhost_limit vhost=new name=max-queues",
        "delete policy name=short",
        "delete permission vhost=new user=eve",
        "delete user name=eve",
        "delete vhost name=new",
    ] {
        let mut asked = command("rabbitmqadmin", &["--port", &port]);
        let said = asked.args(line.split(' ')).output();
        let said = said.context("cannot start rabbitmqadmin")?;
        let error = String::from_utf8_lossy(&said.stderr);
        let answer = String::from_utf8_lossy(&said.stdout);
        ensure!(
            said.status.success(),
            "rabbitmqadmin {line}: {answer}{error}"
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn field<'a>(row: &'a Value, name: &str) -> Result<&'a str> {
    let text = row[name].as_str();
    text.with_context(|| format!("no '{name}' in {row}"))
}

fn fields<'a, const N: usize>(row: &'a Value, names: [&str; N]) -> Result<[&'a str; N]> {
    let mut texts = [""; N];
    for (text, name) in texts.iter_mut().zip(names) {
        *text = field(row, name)?;
    }
    Ok(texts)
}

/// The rows of a section, in an order that does not depend on who wrote them.
fn rows(document: &Value, section: &str) -> BTreeSet<String> {
    list(&document[section])
        .iter()
        .map(Value::to_string)
        .collect()
}

/// What is said of virtual hosts: name, description, tags. Each product writes it beside other things.
fn vhosts(document: &Value) -> BTreeSet<String> {
    let vhosts = list(&document["vhosts"]).iter();
    let said = vhosts.map(|vhost| {
        let metadata = &vhost["metadata"];
        format!(
            "{} {} {}",
            vhost["name"], metadata["description"], metadata["tags"]
        )
    });
    said.collect()
}

/// RabbitMQ exports no internal exchanges, and yet their bindings, which nobody can make then.
fn leave_out_halves(document: &mut Value) {
    let exchanges = list(&document["exchanges"]).iter();
    let known: BTreeSet<String> = exchanges
        .map(|exchange| format!("{} {}", exchange["vhost"], exchange["name"]))
        .collect();
    let has = |binding: &Value, end: &str| {
        let name = binding[end].as_str().unwrap_or_default();
        name.starts_with("amq.")
            || known.contains(&format!("{} {}", binding["vhost"], binding[end]))
    };
    if let Some(bindings) = document["bindings"].as_array_mut() {
        bindings.retain(|binding| {
            has(binding, "source")
                && (binding["destination_type"] == "queue" || has(binding, "destination"))
        });
    }
}

fn ensure_same(whose: &str, theirs: &Value, others: &Value) -> Result<()> {
    let mut wrong = Vec::new();
    let mut compare = |section: &str, theirs: BTreeSet<String>, others: BTreeSet<String>| {
        let lost = theirs
            .difference(&others)
            .map(|row| format!("{section}: lost {row}"));
        let added = others
            .difference(&theirs)
            .map(|row| format!("{section}: added {row}"));
        wrong.extend(lost.chain(added));
    };
    let mut theirs = theirs.clone();
    leave_out_halves(&mut theirs);
    let theirs = &theirs;
    for section in SECTIONS {
        ensure!(!rows(theirs, section).is_empty(), "no {section} to compare");
        compare(section, rows(theirs, section), rows(others, section));
    }
    compare("vhosts", vhosts(theirs), vhosts(others));
    if !wrong.is_empty() {
        bail!("{whose} differs from RabbitMQ's:\n{}", wrong.join("\n"));
    }
    Ok(())
}
