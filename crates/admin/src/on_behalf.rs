//! What the API does as a client of the caller's would: with the caller's permissions, and the broker's refusals.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::vhosts;
use broker::{Answer, Command, Deed, OnBehalf};

/// The default exchange's name in paths, where an empty name cannot stand.
const DEFAULT: &str = "amq.default";

/// An exchange's own name for its name in a path.
pub(crate) fn exchange_named(path: &str) -> &str {
    if path == DEFAULT { "" } else { path }
}

/// Asks for it in a virtual host.
pub(crate) async fn ask(
    api: &Api,
    caller: &Caller,
    vhost: &str,
    deed: Deed,
) -> Result<Answer, Failure> {
    let asked = OnBehalf {
        user: caller.user.name.clone(),
        bearer: caller.bearer.clone(),
        vhost: vhosts::name(vhost)?,
        deed,
    };
    api.ask(Command::OnBehalf(asked)).await
}

/// Has something changed; says whether something was made that had not been there.
pub(crate) async fn change(
    api: &Api,
    caller: &Caller,
    vhost: &str,
    deed: Deed,
) -> Result<bool, Failure> {
    let answer = ask(api, caller, vhost, deed).await?;
    Ok(matches!(answer, Answer::Done { made: true }))
}
