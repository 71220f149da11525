//! TLS between a node and its database.

use crate::lane::{options, take};
use crate::server::Postgres;
use landfall_cluster::{Database, DatabaseError, Options};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A certificate for `localhost` that has signed itself, and its key.
fn certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = (directory.join(name), directory.join(format!("{name}.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl comes with PostgreSQL's package");
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

#[test]
fn with_authorities_nothing_goes_without_tls() {
    let directory = tempfile::tempdir().expect("a scratch directory can be made");
    let (certificate, key) = certificate(directory.path(), "server");
    let (stranger, _) = self::certificate(directory.path(), "stranger");
    let postgres = Postgres::start_with_tls(&certificate, &key);
    let address = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=postgres dbname=postgres",
        postgres.port()
    );
    let open = |authorities: Option<&PathBuf>, mode: &str| {
        Database::open(Options {
            authorities: authorities.cloned(),
            patience: Duration::from_millis(200),
            ..options(format!("{address} {mode}"))
        })
    };
    let database = open(Some(&certificate), "sslmode=disable").expect("its authority is trusted");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"message"]).expect("it is the owner");
    let plain = "select pid from pg_stat_activity a join pg_stat_ssl s using (pid)
                  where a.application_name = 'landfall' and not s.ssl";
    assert_eq!(postgres.sql("postgres", plain), Vec::<Vec<_>>::new());

    let refused = open(Some(&stranger), "").err();
    let Some(DatabaseError::Unreachable { why, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("certificate"), "{why}");
    for (authorities, mode) in [(None, "sslmode=require"), (Some(&key), "")] {
        let refused = open(authorities, mode).err();
        assert!(
            matches!(refused, Some(DatabaseError::Refused(_))),
            "{refused:?}"
        );
    }
}
