//! `landfall permission`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

/// The options of `landfall permission`.
#[derive(Debug, clap::Args)]
pub struct PermissionArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the permissions of all users, or of one
    List {
        /// The user's name
        user: Option<String>,
    },
    /// Say what a user may do in a virtual host, in place of what was said before
    Set {
        /// The user's name
        user: String,
        #[command(flatten)]
        vhost: Vhost,
        /// Names of queues and exchanges that the user may declare and delete
        #[arg(long, value_name = "PATTERN", default_value = "")]
        configure: String,
        /// Names that the user may publish to and bind to
        #[arg(long, value_name = "PATTERN", default_value = "")]
        write: String,
        /// Names that the user may consume from and bind from
        #[arg(long, value_name = "PATTERN", default_value = "")]
        read: String,
    },
    /// Take a user's permission for a virtual host away
    Clear {
        /// The user's name
        user: String,
        #[command(flatten)]
        vhost: Vhost,
    },
}

#[derive(Debug, clap::Args)]
struct Vhost {
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
}

/// Runs `landfall permission`.
pub fn permission(args: PermissionArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let path = |user: &str, vhost: &Vhost| {
        format!("/api/permissions/{}/{}", part(&vhost.vhost), part(user))
    };
    match args.action {
        Action::List { user } => {
            let path = match &user {
                Some(user) => format!("/api/users/{}/permissions", part(user)),
                None => "/api/permissions".to_owned(),
            };
            let Some(list) = api.find(&path)? else {
                bail!("there is no user '{}'", user.unwrap_or_default());
            };
            let columns = ["user", "vhost", "configure", "write", "read"];
            print(&args.server, &list, &columns)
        }
        Action::Set {
            user,
            vhost,
            configure,
            write,
            read,
        } => {
            let body = json!({"configure": configure, "write": write, "read": read});
            api.put(&path(&user, &vhost), &body)?;
            say(&format!(
                "user '{user}' has a permission in vhost '{}'",
                vhost.vhost
            ))
        }
        Action::Clear { user, vhost } => {
            if api.find(&path(&user, &vhost))?.is_none() {
                bail!("user '{user}' has no permission in vhost '{}'", vhost.vhost);
            }
            api.delete(&path(&user, &vhost))?;
            say(&format!(
                "user '{user}' has no permission in vhost '{}' any more",
                vhost.vhost
            ))
        }
    }
}
