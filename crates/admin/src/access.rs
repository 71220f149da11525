//! Who a request is from, and whether that user may ask for it: decided for every endpoint before it runs.

use crate::answer::Failure;
use crate::endpoints::Api;
use crate::entrance::{USER_MARK, say_user};
use crate::{on_behalf, vhosts};
use axum::extract::{RawPathParams, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Answer, Bearer, Command, Deed, Definitions, Mark, Right};
use model::record::UserDefinition;
use model::{Password, ShortStr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A wrong password is answered after this time, so that passwords cannot be tried quickly, and so that it does not tell
/// how long a look at them took.
pub(crate) const REFUSAL_DELAY: Duration = Duration::from_secs(1);

/// A body that takes longer to come is late: its user is asked for again.
const LATE: Duration = Duration::from_secs(1);

/// Put among a request's extensions by whoever accepts connections: whether it comes from this machine.
#[derive(Clone, Copy, Debug)]
pub struct FromThisMachine(pub bool);

/// Put among a request's extensions by whoever knows already who it is from: a session, or the node that passed it on.
/// The user is let in as long as the mark is the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The user's name.
    pub user: ShortStr,
    /// What the user had logged in with.
    pub mark: Mark,
}

/// Put among a request's extensions by the entrance: this user was let in from there with this password before. Who the user is
/// now is asked all the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LetInBefore;

/// Whether a request is from somebody who has been let in: a stranger is not told where other nodes are.
pub fn has_been_let_in(of: &Extensions) -> bool {
    of.get::<Vouched>().is_some() || of.get::<LetInBefore>().is_some()
}

/// Put among a request's extensions where another node of the cluster passed it on.
#[derive(Clone, Copy, Debug)]
pub struct FromNode;

/// What a user needs to be for an endpoint. Tags as with RabbitMQ: `administrator` may everything, `monitoring` and
/// `policymaker` may what `management` may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing beyond a login with any of these tags.
    Management,
    /// No login at all: probes of whoever looks after processes.
    Nobody,
    /// The tag `monitoring` or `administrator`.
    Monitoring,
    /// The same; and while no node serves, so that nobody can be asked who a user is, to be on this machine.
    Cluster,
    /// A permission in the virtual host that the path names; not for `administrator` and `monitoring`.
    Vhost,
    /// A permission in the virtual host that the path names, whatever the tags: what is done there is done as by a
    /// client of the user's, and each thing asks for its own permission.
    AsClient,
    /// To read from the queue that the path names.
    Read,
    /// To configure the queue that the path names.
    Configure,
    /// The tag `policymaker`, and a permission in the virtual host.
    Policymaker,
    /// To be the user that the path names; or the tag `administrator`.
    Itself,
    /// The tag `administrator`.
    Administrator,
}

impl Needs {
    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nobody => "everybody",
            Self::Management => "management",
            Self::Monitoring => "monitoring",
            Self::Cluster => "monitoring; from this machine while no node serves",
            Self::Vhost => "management, a permission in the vhost",
            Self::AsClient => "management, the permissions of a client",
            Self::Itself => "management, to be that user",
            Self::Read => "management, to read from the queue",
            Self::Configure => "management, to configure the queue",
            Self::Policymaker => "policymaker, a permission in the vhost",
            Self::Administrator => "administrator",
        }
    }
}

/// The user whom a request is from.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// As it is defined; of whoever came with a token, as the token says.
    pub(crate) user: UserDefinition,
    /// What counts instead of its permissions, if it came with a token.
    pub(crate) bearer: Option<Arc<Bearer>>,
}

impl From<UserDefinition> for Caller {
    fn from(user: UserDefinition) -> Self {
        Self { user, bearer: None }
    }
}

impl From<Arc<Bearer>> for Caller {
    fn from(bearer: Arc<Bearer>) -> Self {
        Self {
            user: UserDefinition {
                name: bearer.user.clone(),
                tags: bearer.tags.clone(),
                ..UserDefinition::default()
            },
            bearer: Some(bearer),
        }
    }
}

impl Caller {
    fn is_any(&self, tags: &[&str]) -> bool {
        tags.iter().any(|tag| self.user.is(tag))
    }

    fn check_manages(&self) -> Result<(), Failure> {
        if self.is_any(&["management", "policymaker", "monitoring"]) {
            return Ok(());
        }
        Err(Failure::NotAllowed("Not management user"))
    }

    /// Refuses those who may nothing here.
    pub(crate) fn check_comes_in(&self) -> Result<(), Failure> {
        if self.user.is("administrator") {
            return Ok(());
        }
        self.check_manages()
    }

    /// Whether the user sees all virtual hosts.
    pub(crate) fn sees_all(&self) -> bool {
        self.is_any(&["administrator", "monitoring"])
    }

    /// Whether the user sees connections of that user, and what is on them.
    pub(crate) fn owns(&self, user: &str) -> bool {
        self.sees_all() || self.user.name == *user
    }

    /// The virtual hosts in which the user sees what is there; `None` for all.
    pub(crate) async fn visible_vhosts(&self, api: &Api) -> Result<Option<Vec<ShortStr>>, Failure> {
        if self.sees_all() {
            return Ok(None);
        }
        let definitions = api.definitions().await?;
        if let Some(bearer) = &self.bearer {
            let names = definitions.vhosts.iter().map(|vhost| &vhost.name);
            let own = names.filter(|name| bearer.enters(name));
            return Ok(Some(own.cloned().collect()));
        }
        let own = definitions.permissions.iter();
        let own = own.filter(|permission| permission.user == self.user.name);
        Ok(Some(
            own.map(|permission| permission.vhost.clone()).collect(),
        ))
    }

    /// Whether the user sees what is in a virtual host.
    pub(crate) fn sees(&self, vhost: &str, definitions: &Definitions) -> bool {
        self.sees_all() || self.has_permission_in(vhost, definitions)
    }

    fn has_permission_in(&self, vhost: &str, definitions: &Definitions) -> bool {
        if let Some(bearer) = &self.bearer {
            return bearer.enters(vhost);
        }
        (definitions.permissions.iter())
            .any(|permission| permission.user == self.user.name && permission.vhost == *vhost)
    }
}

/// What the endpoint behind it needs.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) api: Api,
    pub(crate) needs: Needs,
    /// The largest body that it takes.
    pub(crate) body_max: usize,
}

/// Lets a request through to its endpoint, with its [`Caller`].
pub(crate) async fn guard(
    State(guard): State<Guard>,
    path: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let Guard { api, needs, .. } = &guard;
    let local = is_local(request.extensions());
    if *needs == Needs::Nobody {
        return Ok(next.run(request).await);
    }
    let vouched = request.extensions().get::<Vouched>().cloned();
    let is_stranger = !has_been_let_in(request.extensions());
    let (caller, mark) = match log_in(api, vouched, request.headers(), local).await {
        Err(Failure::Elsewhere(_)) if *needs == Needs::Cluster && local => {
            return Ok(next.run(request).await);
        }
        Err(failure) if is_stranger => return Err(failure.for_strangers()),
        other => other?,
    };
    let user = caller.user.name.clone();
    let mut response = match permit(api, &caller, *needs, &path).await {
        Ok(()) => {
            let served = guard.serve(caller, mark, &path, request, next).await;
            let mut response = served.unwrap_or_else(Failure::into_response);
            let mark = HeaderValue::from_str(&format!("{:032x}", mark.0));
            let mark = mark.expect("digits are a header's value");
            response.headers_mut().insert(USER_MARK, mark);
            response
        }
        Err(refused) => refused.into_response(),
    };
    say_user(&mut response, &user);
    Ok(response)
}

impl Guard {
    /// Works on a request when all of it has come.
    async fn serve(
        &self,
        mut caller: Caller,
        mark: Mark,
        path: &RawPathParams,
        mut request: Request,
        next: Next,
    ) -> Result<Response, Failure> {
        let api = &self.api;
        let mut share = None;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let began = Instant::now();
            let (head, body) = request.into_parts();
            let read = api.bodies().read(&caller.user.name, body, self.body_max);
            let (octets, held) = read.await?;
            share = Some(held);
            request = Request::from_parts(head, octets.into());
            if began.elapsed() >= LATE && caller.bearer.is_none() {
                // Much may have happened to the user meanwhile.
                let user = caller.user.name.clone();
                let local = is_local(request.extensions());
                let vouched = Vouched { user, mark };
                (caller, _) = match look_up(api, vouched, local).await {
                    Err(Failure::SessionOver) => {
                        return Err(Failure::NotAllowed("The user has changed meanwhile"));
                    }
                    looked_up => looked_up?,
                };
                permit(api, &caller, self.needs, path).await?;
            }
        }
        request.extensions_mut().insert(caller);
        let turn = api.turn().await;
        let response = next.run(request).await;
        drop((turn, share));
        Ok(response)
    }
}

/// Whether the user may ask for what the path names.
async fn permit(
    api: &Api,
    caller: &Caller,
    needs: Needs,
    path: &RawPathParams,
) -> Result<(), Failure> {
    let part = |name: &str| path.iter().find(|(part, _)| *part == name);
    let vhost = part("vhost").map(|(_, vhost)| vhost);
    let right = match needs {
        Needs::Read => Some(Right::Read),
        Needs::Configure => Some(Right::Configure),
        _ => None,
    };
    if needs == Needs::Itself && part("user").is_none_or(|(_, user)| caller.user.name != *user) {
        allow(api, caller, Needs::Administrator, None).await?;
    }
    match (right, vhost, part("name")) {
        (Some(right), Some(vhost), Some((_, queue))) => {
            allow_at_queue(api, caller, right, vhost, queue).await
        }
        _ => allow(api, caller, needs, vhost).await,
    }
}

/// Whether a request comes from this machine.
pub(crate) fn is_local(of: &Extensions) -> bool {
    let local = of.get::<FromThisMachine>();
    local.is_some_and(|FromThisMachine(local)| *local)
}

async fn log_in(
    api: &Api,
    vouched: Option<Vouched>,
    headers: &HeaderMap,
    local: bool,
) -> Result<(Caller, Mark), Failure> {
    if let Some(vouched) = vouched {
        return look_up(api, vouched, local).await;
    }
    let (user, password) = login_of(headers).ok_or(Failure::LoginWanted)?;
    let asked = Command::Authenticate {
        user,
        password,
        local,
    };
    match api.ask(asked).await? {
        Answer::User(user, mark) => Ok((user.into(), mark)),
        Answer::Bearer(bearer) => Ok((bearer.into(), Mark::of_token())),
        _ => Err(Failure::LoginRefused),
    }
}

/// The user of a session as the user is now. One who was removed, or has another password, has it no more.
async fn look_up(api: &Api, vouched: Vouched, local: bool) -> Result<(Caller, Mark), Failure> {
    let asked = Command::User {
        user: vouched.user,
        mark: vouched.mark,
        local,
    };
    match api.ask(asked).await {
        Ok(Answer::User(user, mark)) => Ok((user.into(), mark)),
        Ok(_) | Err(Failure::LoginRefused) => Err(Failure::SessionOver),
        Err(other) => Err(other),
    }
}

/// Name and password of HTTP's basic authentication; a token is a password that says itself whose it is.
pub(crate) fn login_of(headers: &HeaderMap) -> Option<(ShortStr, Password)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((ShortStr::empty(), Password::new(coded.trim().to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let user = ShortStr::try_from(user).ok()?;
    Some((user, Password::new(password.to_owned())))
}

/// What is in a queue is for those who may use the queue.
async fn allow_at_queue(
    api: &Api,
    caller: &Caller,
    right: Right,
    vhost: &str,
    queue: &str,
) -> Result<(), Failure> {
    if caller.user.is("administrator") {
        return Ok(());
    }
    caller.check_manages()?;
    let refused = Failure::NotAllowed(match right {
        Right::Read => "User not authorised to read from the queue",
        _ => "User not authorised to configure the queue",
    });
    if let Some(bearer) = &caller.bearer {
        let allowed = bearer.allows(vhost, right, queue);
        return if allowed { Ok(()) } else { Err(refused) };
    }
    let asked = Command::Permitted {
        user: caller.user.name.clone(),
        vhost: vhosts::name(vhost)?,
        right,
        name: vhosts::name(queue)?,
    };
    match api.ask(asked).await {
        Err(Failure::LoginRefused) => Err(refused),
        other => other.map(|_| ()),
    }
}

/// A virtual host in which the user has no permission is closed to administrators as it is to their clients.
async fn allow_as_client(api: &Api, caller: &Caller, vhost: &str) -> Result<(), Failure> {
    if !caller.user.is("administrator") {
        caller.check_manages()?;
    }
    on_behalf::ask(api, caller, vhost, Deed::Enter).await?;
    Ok(())
}

async fn allow(
    api: &Api,
    caller: &Caller,
    needs: Needs,
    vhost: Option<&str>,
) -> Result<(), Failure> {
    if let (Needs::AsClient, Some(vhost)) = (needs, vhost) {
        return allow_as_client(api, caller, vhost).await;
    }
    if caller.user.is("administrator") {
        return Ok(());
    }
    caller.check_manages()?;
    match needs {
        Needs::Administrator => return Err(Failure::NotAllowed("Not administrator user")),
        Needs::Policymaker if !caller.user.is("policymaker") => {
            return Err(Failure::NotAllowed("Not policymaker"));
        }
        Needs::Nobody | Needs::Management | Needs::Itself => return Ok(()),
        Needs::Monitoring | Needs::Cluster if caller.sees_all() => return Ok(()),
        Needs::Monitoring | Needs::Cluster => {
            return Err(Failure::NotAllowed("Not monitor user"));
        }
        Needs::Vhost if caller.sees_all() => return Ok(()),
        // Those that name a queue were asked of its permissions.
        Needs::Vhost | Needs::Policymaker | Needs::Read | Needs::Configure | Needs::AsClient => {}
    }
    let definitions = api.definitions().await?;
    if vhost.is_some_and(|vhost| caller.has_permission_in(vhost, &definitions)) {
        Ok(())
    } else {
        Err(Failure::NotAllowed(
            "User not authorised to access virtual host",
        ))
    }
}
