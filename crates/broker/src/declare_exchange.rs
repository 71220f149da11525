//! Exchanges: declare and delete.

use crate::Broker;
use crate::arguments::{Declaration, Of};
use crate::connection::{ChannelId, Refusal, access_refused, not_found, precondition_failed};
use crate::declare_queue::without_line_breaks;
use crate::route::{Exchange, VhostIndex};
use model::method::exchange;
use model::record::{Destination, ExchangeDefinition};
use model::{Definition, MethodId, ShortStr};

impl Broker {
    pub(crate) fn declare_exchange(
        &mut self,
        id: ChannelId,
        declare: exchange::Declare,
    ) -> Result<(), Refusal> {
        let method = exchange::Declare::ID;
        let name = without_line_breaks(&declare.exchange);
        let vhost_index = self.connection_of(id).vhost;
        refuse_default(&name, method)?;
        let vhost = &self.vhosts[vhost_index.0];
        let what = format!("exchange '{name}' in vhost '{}'", vhost.name);
        match vhost.exchanges.get(&name) {
            None if declare.passive => return Err(not_found(format!("no {what}"), method)),
            Some(_) if declare.passive => {}
            Some(found) => check_same(&found.definition, &declare, &what)?,
            None => self.make_exchange(vhost_index, name, &declare)?,
        }
        if !declare.no_wait {
            self.reply(id, exchange::DeclareOk);
        }
        Ok(())
    }

    fn make_exchange(
        &mut self,
        vhost: VhostIndex,
        name: ShortStr,
        declare: &exchange::Declare,
    ) -> Result<(), Refusal> {
        if name.starts_with("amq.") {
            let explanation = format!("exchange name '{name}' contains reserved prefix 'amq.*'");
            return Err(access_refused(explanation, exchange::Declare::ID));
        }
        let declaration = Declaration {
            of: Of::Exchange,
            what: &format!("exchange '{name}' in vhost '{}'", self.vhosts[vhost.0].name),
            method: exchange::Declare::ID,
        };
        declaration.check(&declare.arguments)?;
        self.check_exchange_limit(declaration.what, declaration.method)?;
        let definition = ExchangeDefinition {
            name: name.detached(),
            kind: declare.kind.detached(),
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: declare.arguments.detached(),
        };
        let exchange = Exchange::new(definition)
            .map_err(|explanation| precondition_failed(explanation, exchange::Declare::ID))?;
        self.add_exchange(vhost, exchange);
        Ok(())
    }

    pub(crate) fn add_exchange(&mut self, vhost: VhostIndex, mut exchange: Exchange) {
        let vhost = &mut self.vhosts[vhost.0];
        let policy = self.policies.of_exchange(&vhost.name, &exchange.definition);
        exchange.follow(policy.map(|policy| &policy.definition));
        let definition = exchange.definition.clone();
        vhost.exchanges.insert(definition.name.clone(), exchange);
        let vhost = vhost.name.clone();
        self.land_definition(Definition::ExchangeMade {
            vhost,
            exchange: definition,
        });
    }

    pub(crate) fn delete_exchange(
        &mut self,
        id: ChannelId,
        delete: exchange::Delete,
    ) -> Result<(), Refusal> {
        let (name, method) = (&without_line_breaks(&delete.exchange), exchange::Delete::ID);
        let index = self.connection_of(id).vhost;
        refuse_default(name, method)?;
        let vhost = &self.vhosts[index.0];
        if name.starts_with("amq.") {
            let explanation = format!(
                "deletion of system exchange '{name}' in vhost '{}' not allowed",
                vhost.name
            );
            return Err(access_refused(explanation, method));
        }
        // To delete what is not there is fine, as for queues.
        if let Some(exchange) = vhost.exchanges.get(name) {
            if delete.if_unused && exchange.is_bound() {
                let explanation = format!("exchange '{name}' in vhost '{}' in use", vhost.name);
                return Err(precondition_failed(explanation, method));
            }
            self.remove_exchange(index, name);
        }
        if !delete.no_wait {
            self.reply(id, exchange::DeleteOk);
        }
        Ok(())
    }

    /// Removes an exchange with all bindings from and to it.
    pub(crate) fn remove_exchange(&mut self, index: VhostIndex, name: &ShortStr) {
        let vhost = &mut self.vhosts[index.0];
        if vhost.exchanges.remove(name).is_none() {
            return;
        }
        let (vhost, exchange) = (vhost.name.clone(), name.clone());
        self.land_definition(Definition::ExchangeRemoved { vhost, exchange });
        self.unbind_all(index, &Destination::Exchange(name.clone()));
    }

    /// Removes all bindings to what is gone; auto-delete exchanges that lose their last binding follow.
    pub(crate) fn unbind_all(&mut self, index: VhostIndex, destination: &Destination) {
        for exchange in self.vhosts[index.0].unbind_all(destination) {
            self.remove_if_unbound(index, &exchange);
        }
    }

    /// An auto-delete exchange goes with its last binding.
    pub(crate) fn remove_if_unbound(&mut self, index: VhostIndex, name: &ShortStr) {
        let exchange = self.vhosts[index.0].exchanges.get(name);
        if exchange
            .is_some_and(|one| one.definition.auto_delete && one.was_bound && !one.is_bound())
        {
            self.remove_exchange(index, name);
        }
    }
}

/// The default exchange cannot be declared, deleted or bound.
pub(crate) fn refuse_default(name: &str, method: MethodId) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(access_refused(
            "operation not permitted on the default exchange",
            method,
        ));
    }
    Ok(())
}

fn check_same(
    current: &ExchangeDefinition,
    declare: &exchange::Declare,
    what: &str,
) -> Result<(), Refusal> {
    let declaration = Declaration {
        of: Of::Exchange,
        what,
        method: exchange::Declare::ID,
    };
    declaration.same_flag("type", &declare.kind, &current.kind)?;
    declaration.same_flag("durable", declare.durable, current.durable)?;
    declaration.same_flag("auto_delete", declare.auto_delete, current.auto_delete)?;
    declaration.same_flag("internal", declare.internal, current.internal)?;
    declaration.same_arguments(&declare.arguments, &current.arguments)
}
