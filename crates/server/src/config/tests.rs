//! Precedence, defaults, and errors that say where.

use super::*;
use clap::{CommandFactory, Parser};
use std::io::Write;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    serve: ServeArgs,
}

fn config(args: &[&str]) -> anyhow::Result<Config> {
    let args = std::iter::once("landfall").chain(args.iter().copied());
    CommandLine::try_parse_from(args)?.serve.config()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes())
        .expect("a scratch file can be written");
    file
}

fn error(args: &[&str]) -> String {
    format!("{:#}", config(args).expect_err("refused"))
}

#[test]
fn without_a_word_everything_has_its_default() {
    let config = config(&[]).expect("valid");
    assert_eq!(config.data_dir, Path::new("./landfall-data"));
    assert_eq!(config.listen, None);
    assert_eq!(config.product, "Landfall");
    assert_eq!(
        config.limits,
        Limits::default(),
        "the table's defaults are the model's"
    );
}

#[test]
fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
    let file = file("data-dir = '/from/file'\nmessage-size-max = '1MiB'\nheartbeat = 5\n");
    let path = file.path().to_str().expect("a plain path");
    let config = config(&["--config", path, "--data-dir", "/from/flag"]).expect("valid");
    assert_eq!(config.data_dir, Path::new("/from/flag"));
    assert_eq!(config.limits.message_size_max, 1024 * 1024);
    assert_eq!(config.limits.heartbeat.as_secs(), 5);
    assert_eq!(config.limits.channel_max, 2047);
}

#[test]
fn the_api_listens_where_it_is_told_or_nowhere() {
    let addresses = |args: &[&str]| config(args).expect("valid").admin_listen;
    assert_eq!(addresses(&[]), None);
    assert_eq!(addresses(&["--admin-listen", "none"]), Some(Vec::new()));
    let two = ["127.0.0.1:1", "[::1]:2"].map(|text| text.parse().expect("an address"));
    assert_eq!(
        addresses(&["--admin-listen", "127.0.0.1:1,[::1]:2"]).as_deref(),
        Some(&two[..])
    );
    let wrong = error(&["--admin-listen", "none,127.0.0.1:1"]);
    assert!(
        wrong.contains("admin-listen: 'none' is not ADDRESS:PORT"),
        "{wrong}"
    );
}

#[test]
fn names_of_the_api_are_names() {
    for fine in ["none", "any", "mq.example", "mq.example,other"] {
        assert!(config(&["--admin-hosts", fine]).is_ok(), "{fine}");
    }
    for wrong in ["mq.example:15672", "http://mq", "any,mq", "mq,", "*"] {
        let said = error(&["--admin-hosts", wrong]);
        assert!(said.contains("is not the name of a host"), "{said}");
    }
}

#[test]
fn listen_may_be_given_several_times() {
    let config = config(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]).expect("valid");
    let expected = ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().expect("an address"));
    assert_eq!(config.listen.as_deref(), Some(&expected[..]));
}

#[test]
fn tls_needs_a_certificate_and_a_key() {
    let files = ["--tls-certificate", "c.pem", "--tls-key", "k.pem"];
    let with = |more: &[&str]| config(&[&files[..], more].concat());
    let tls = with(&[]).expect("valid").tls.expect("TLS");
    assert_eq!(tls.certificate, Path::new("c.pem"));
    assert_eq!(
        (tls.verify, tls.login_from),
        (Verify::None, LoginFrom::CommonName)
    );
    assert_eq!(
        with(&["--listen", "none"]).expect("valid").listen,
        Some(Vec::new())
    );
    for (args, complaint) in [
        (&files[..2], "TLS needs both tls-certificate and tls-key"),
        (
            &["--listen-tls", "127.0.0.1:0"],
            "tls-certificate and tls-key are missing",
        ),
        (
            &["--listen", "none"],
            "listen must name at least one address",
        ),
    ] {
        let said = error(args);
        assert!(said.contains(complaint), "{said}");
    }
    let said = error(&[&files[..], &["--tls-verify", "required"]].concat());
    assert!(
        said.contains("tls-authorities must say who signs them"),
        "{said}"
    );
    assert!(with(&["--tls-verify", "maybe"]).is_err());
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let file = file("product = 'Landfall'\n\ndata_dir = '/tmp'\n");
    let path = file.path().to_str().expect("a plain path");
    let error = error(&["--config", path]);
    assert!(error.contains("line 3"), "{error}");
    assert!(error.contains("data_dir"), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    assert!(error(&["--frame-max", "100"]).contains("frame-max"));
    assert!(error(&["--channel-max", "0"]).contains("channel-max"));
    assert!(error(&["--unacked-max", "0"]).contains("unacked-max"));
    assert!(error(&["--inbox-bytes-max", "1"]).contains("inbox-bytes-max"));
    assert!(error(&["--landing-bytes-max", "0"]).contains("landing-bytes-max"));
    assert!(error(&["--message-size-max", "2GiB"]).contains("message-size-max"));
    assert!(error(&["--heartbeat", "soon"]).contains("heartbeat"));
    assert!(error(&["--config", "/nowhere/landfall.toml"]).contains("/nowhere/landfall.toml"));
}

const ZOOKEEPER: &str = "--zookeeper=zk1:2181,zk2:2181/mq";
const DATABASE: &str = "--database=postgres://db/mq";

#[test]
fn a_member_needs_a_zookeeper_and_a_database() {
    assert!(config(&[]).expect("valid").member.is_none());
    let named = "--node-name=mq-1";
    let member = config(&[ZOOKEEPER, DATABASE, named]).expect("valid").member;
    let member = member.expect("it is one");
    assert_eq!(member.zookeeper, "zk1:2181,zk2:2181/mq");
    assert_eq!(member.databases, ["postgres://db/mq"]);
    assert_eq!(member.shards, 1);
    assert_eq!(member.node, "mq-1");
    assert_eq!(member.listen.port(), 25672);
    assert!(!member.allow_asynchronous && !member.require_standby);
    assert!(member.authorities.is_none() && member.login.is_none());
    assert!(error(&[ZOOKEEPER]).contains("database is missing"));
    assert!(error(&[DATABASE]).contains("zookeeper is missing"));
}

#[test]
fn others_must_be_able_to_find_a_member() {
    let anywhere = "--node-listen=0.0.0.0:25672";
    let said = error(&[ZOOKEEPER, DATABASE, anywhere]);
    assert!(said.contains("node-address must say where"), "{said}");
    let member = config(&[ZOOKEEPER, DATABASE, anywhere, "--node-address=mq-1:25672"]);
    let member = member.expect("valid").member.expect("it is one");
    assert_eq!(member.address.as_deref(), Some("mq-1:25672"));
    let said = error(&[ZOOKEEPER, DATABASE, "--node-name=a/b"]);
    assert!(said.contains("node-name is 'a/b'"), "{said}");
    let login = "--zookeeper-login=mq:pass:word";
    let member = config(&[
        ZOOKEEPER,
        DATABASE,
        login,
        "--database-authorities=/etc/ca.pem",
    ]);
    let member = member.expect("valid").member.expect("it is one");
    let known = member.login.expect("it was given");
    assert_eq!((&*known.user, &*known.password), ("mq", "pass:word"));
    assert_eq!(
        member.authorities.as_deref(),
        Some(Path::new("/etc/ca.pem"))
    );
    let said = error(&[ZOOKEEPER, DATABASE, "--zookeeper-login=mq"]);
    assert!(
        said.contains("zookeeper-login must be USER:PASSWORD"),
        "{said}"
    );
    let said = error(&[ZOOKEEPER, DATABASE, "--zookeeper-timeout=1ms"]);
    assert!(said.contains("zookeeper-timeout must be between"), "{said}");
}

#[test]
fn traces_are_sent_where_it_is_said_or_nowhere() {
    let collector = |args: &[&str]| config(args).expect("valid").collector;
    assert_eq!(collector(&[]), None);
    let told = collector(&[
        "--otlp-endpoint",
        "http://collector:4318/",
        "--otlp-sample",
        "1%",
    ]);
    let told = told.expect("there is one");
    assert_eq!(told.url, "http://collector:4318/v1/traces");
    assert!((told.sample - 0.01).abs() < 1e-9);
    let file = file("otlp-endpoint = 'https://collector/otlp'\notlp-sample = 0.5\n");
    let told = collector(&["--config", file.path().to_str().expect("a plain path")]);
    assert_eq!(
        told.map(|told| (told.url, told.sample)),
        Some(("https://collector/otlp/v1/traces".to_owned(), 0.5))
    );
    for wrong in ["collector:4318", "ftp://collector", "http://"] {
        let said = error(&["--otlp-endpoint", wrong]);
        assert!(said.starts_with("otlp-endpoint: "), "{said}");
    }
    let said = error(&["--otlp-sample", "0.5"]);
    assert!(said.contains("otlp-sample needs otlp-endpoint"), "{said}");
}

/// Each value with where it was said, in the words in which it was; a file and a flag that say the same are told apart.
#[test]
fn settings_say_where_they_come_from() {
    let file =
        file("data-dir = '/from/file'\nheartbeat = 5\nlisten = ['127.0.0.1:1', '[::1]:2']\n");
    let path = file.path().to_str().expect("a plain path");
    let config = config(&["--config", path, "--data-dir", "/from/flag"]).expect("valid");
    let setting = |name: &str| {
        let found = config.settings.iter().find(|one| one.name == name);
        let found = found.expect("every option is told");
        (found.from.word(), found.value.clone())
    };
    assert_eq!(setting("data-dir"), ("option", "/from/flag".to_owned()));
    assert_eq!(setting("heartbeat"), ("file", "5".to_owned()));
    assert_eq!(
        setting("listen"),
        ("file", "127.0.0.1:1,[::1]:2".to_owned())
    );
    assert_eq!(setting("channel-max"), ("default", "2047".to_owned()));
    let flags = CommandLine::command();
    let flags = flags.get_arguments().filter_map(clap::Arg::get_long);
    let mut flags: Vec<&str> = flags.filter(|flag| *flag != "config").collect();
    let mut told: Vec<&str> = config
        .settings
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    flags.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, flags);
}
