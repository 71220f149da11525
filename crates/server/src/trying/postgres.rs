//! A PostgreSQL for trying out: one server of the machine's package, reached by a socket in its folder. It refuses to run
//! as root; then it runs as the user that its package has made.

use super::child::{Account, Child};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps those of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Its programs.
pub(super) struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    ready: PathBuf,
    createdb: PathBuf,
    account: Option<Account>,
}

/// The newest that is there.
pub(super) fn find() -> Result<Programs> {
    let account = account()?;
    let found = |name: &str| match newest(name).or_else(|| on_path(name)) {
        Some(path) => Ok(path),
        None => bail!("PostgreSQL's {name} is not there (Debian: apt-get install postgresql)"),
    };
    Ok(Programs {
        initdb: found("initdb")?,
        postgres: found("postgres")?,
        ready: found("pg_isready")?,
        createdb: found("createdb")?,
        account,
    })
}

fn newest(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.flatten();
    let found = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let path = version.path().join("bin").join(name);
        path.exists().then_some((number, path))
    });
    found.max().map(|(_, path)| path)
}

/// A program that a shell would find.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|place| place.join(name));
    places.find(|place| place.is_file())
}

/// Whom it runs as; `None` for whoever we are, if that is not root.
fn account() -> Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read the accounts")?;
    let account = of_postgres(&accounts).context(
        "PostgreSQL does not run as root, and there is no user postgres to run it as: \
         start this as another user, or install Debian's package postgresql, which makes that user",
    )?;
    Ok(Some(account))
}

fn of_postgres(accounts: &str) -> Option<Account> {
    let mut lines = accounts.lines();
    let line = lines.find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some(Account {
        user: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

/// Makes a server in a folder of its own, unless one is there, and starts it.
pub(super) fn start(programs: &Programs, folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder).context("cannot make PostgreSQL's folder")?;
    if let Some(Account { user, group }) = programs.account {
        chown(folder, Some(user), Some(group)).context("cannot give PostgreSQL its folder")?;
    }
    let data = folder.join("data");
    if !data.join("PG_VERSION").exists() {
        make(programs, &data)?;
    }
    let (postgres, place) = (
        programs.postgres.display().to_string(),
        folder.display().to_string(),
    );
    let data = data.display().to_string();
    let command = [
        &*postgres,
        "-D",
        &*data,
        "-k",
        &*place,
        "-c",
        "listen_addresses=",
        // Whoever may enter it may do everything.
        "-c",
        "unix_socket_permissions=0700",
    ];
    Child::start(&command, &folder.join("log"), "INT", programs.account)
}

/// Makes so many databases of a server that answers, as far as they are not there. Says how to reach them.
pub(super) fn databases(programs: &Programs, folder: &Path, count: u8) -> Result<String> {
    let place = folder.display();
    let mut all = vec![format!("host={place} user=postgres dbname=postgres")];
    for number in 2..=count {
        let name = format!("landfall-{number}");
        let mut command = as_its_user(&programs.createdb, programs);
        command.arg("--host").arg(folder);
        let made = command.args(["--username=postgres", &name]).output();
        let made = made.context("cannot start createdb")?;
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        ensure!(
            made.status.success() || said.contains("already exists"),
            "createdb makes no database: {}",
            said.trim()
        );
        all.push(format!("host={place} user=postgres dbname={name}"));
    }
    Ok(all.join("; "))
}

fn make(programs: &Programs, data: &Path) -> Result<()> {
    let mut command = as_its_user(&programs.initdb, programs);
    command
        .args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
        ])
        .arg("--pgdata")
        .arg(data);
    let made = command.output().context("cannot start initdb")?;
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    ensure!(
        made.status.success(),
        "initdb makes no database: {}",
        said.trim()
    );
    Ok(())
}

/// Whether it answers.
pub(super) fn serves(programs: &Programs, folder: &Path) -> bool {
    let mut ask = as_its_user(&programs.ready, programs);
    let asked = ask.arg("--quiet").arg("--host").arg(folder).status();
    asked.is_ok_and(|answer| answer.success())
}

fn as_its_user(program: &Path, programs: &Programs) -> Command {
    let mut command = Command::new(program);
    // A folder that its user may not enter is no place to start from.
    command.current_dir("/").stdin(Stdio::null());
    if let Some(Account { user, group }) = programs.account {
        command.uid(user).gid(group);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_package_is_found_among_the_accounts() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\npostgres:x:104:107:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        let expected = Account {
            user: 104,
            group: 107,
        };
        assert_eq!(of_postgres(accounts), Some(expected));
        assert_eq!(of_postgres("root:x:0:0::/:/bin/sh\n"), None);
    }
}
