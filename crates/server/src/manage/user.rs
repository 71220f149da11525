//! `landfall user`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

/// The options of `landfall user`.
#[derive(Debug, clap::Args)]
pub struct UserArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all users
    List,
    /// Make a user. It may do nothing until it gets a permission
    Add {
        /// The user's name
        name: String,
        #[command(flatten)]
        password: NewPassword,
        /// Tags, divided by commas: administrator, monitoring, policymaker, management, impersonator
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        tags: Vec<String>,
    },
    /// Give a user another password
    ChangePassword {
        /// The user's name
        name: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Give a user other tags, in place of those that it has
    SetTags {
        /// The user's name
        name: String,
        /// The tags; none to take them away
        tags: Vec<String>,
    },
    /// Remove a user with its permissions, and close its connections
    Remove {
        /// The user's name
        name: String,
    },
}

/// A password that is set.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct NewPassword {
    /// The user's password. Other users of this machine may see it: --password-stdin is safer
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the user's password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

impl NewPassword {
    fn read(self) -> Result<String> {
        let password = match self.password {
            Some(password) => password,
            None => {
                let mut line = String::new();
                std::io::stdin()
                    .read_line(&mut line)
                    .context("cannot read the password from standard input")?;
                line.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if password.is_empty() {
            bail!("an empty password is nobody's");
        }
        Ok(password)
    }
}

/// Runs `landfall user`.
pub fn user(args: UserArgs) -> Result<()> {
    let api = Api::new(&args.server);
    match args.action {
        Action::List => print(
            &args.server,
            &api.get("/api/users")?,
            &["name", "tags", "limits"],
        ),
        Action::Add {
            name,
            password,
            tags,
        } => {
            let password = password.read()?;
            if api.find(&path(&name))?.is_some() {
                bail!("user '{name}' is there already (change-password, set-tags)");
            }
            let body = json!({"password": password, "tags": tags});
            api.put(&path(&name), &body)?;
            say(&format!("user '{name}' is made"))
        }
        Action::ChangePassword { name, password } => {
            let password = password.read()?;
            let known = known(&api, &name)?;
            let body = json!({"password": password, "tags": known["tags"]});
            api.put(&path(&name), &body)?;
            say(&format!("user '{name}' has a new password"))
        }
        Action::SetTags { name, tags } => {
            let known = known(&api, &name)?;
            let body = json!({
                "password_hash": known["password_hash"],
                "hashing_algorithm": known["hashing_algorithm"],
                "tags": tags,
            });
            api.put(&path(&name), &body)?;
            say(&format!("user '{name}' has the tags [{}]", tags.join(", ")))
        }
        Action::Remove { name } => {
            known(&api, &name)?;
            api.delete(&path(&name))?;
            say(&format!("user '{name}' is removed"))
        }
    }
}

fn path(name: &str) -> String {
    format!("/api/users/{}", part(name))
}

fn known(api: &Api, name: &str) -> Result<Value> {
    let found = api.find(&path(name))?;
    found.with_context(|| format!("there is no user '{name}'"))
}
