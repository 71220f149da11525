//! What owners and clients say, in the words of the other's side.

use super::unconfirmed::Confirm;
use bytes::Bytes;
use model::method::{basic, channel, connection, queue};
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, Method, MethodId, Properties,
    Publish, ReplyCode, ShortStr,
};
use wire::{Content, ServerConnection};

/// The name, or what an empty one stands for.
pub(super) fn named<'a>(name: &'a ShortStr, last: &'a ShortStr) -> &'a ShortStr {
    if name.is_empty() { last } else { name }
}

/// Says the queue that an empty name stands for, if there is one. In a binding it may stand for the routing key, too.
pub(super) fn name_queue(method: &mut Method, last: &ShortStr) {
    let name = match method {
        Method::QueueBind(queue::Bind {
            queue, routing_key, ..
        })
        | Method::QueueUnbind(queue::Unbind {
            queue, routing_key, ..
        }) => {
            if queue.is_empty() && routing_key.is_empty() {
                *routing_key = last.clone();
            }
            queue
        }
        Method::QueuePurge(it) => &mut it.queue,
        Method::QueueDelete(it) => &mut it.queue,
        Method::BasicConsume(it) => &mut it.queue,
        Method::BasicGet(it) => &mut it.queue,
        _ => return,
    };
    if name.is_empty() {
        *name = last.clone();
    }
}

/// Whether the client does not wait for an answer; the owner is to give one all the same.
pub(super) fn take_no_wait(method: &mut Method) -> bool {
    let no_wait = match method {
        Method::ExchangeDeclare(it) => &mut it.no_wait,
        Method::ExchangeDelete(it) => &mut it.no_wait,
        Method::ExchangeBind(it) => &mut it.no_wait,
        Method::ExchangeUnbind(it) => &mut it.no_wait,
        Method::QueueDeclare(it) => &mut it.no_wait,
        Method::QueueBind(it) => &mut it.no_wait,
        Method::QueuePurge(it) => &mut it.no_wait,
        Method::QueueDelete(it) => &mut it.no_wait,
        Method::BasicConsume(it) => &mut it.no_wait,
        Method::BasicCancel(it) => &mut it.no_wait,
        Method::ConfirmSelect(it) => &mut it.no_wait,
        _ => return false,
    };
    std::mem::take(no_wait)
}

/// A confirm for the client.
pub(super) fn ack(confirm: Confirm) -> Method {
    Method::BasicAck(basic::Ack {
        delivery_tag: DeliveryTag(confirm.tag),
        multiple: confirm.multiple,
    })
}

/// A refusal for the client.
pub(super) fn nack(confirm: Confirm) -> Method {
    Method::BasicNack(basic::Nack {
        delivery_tag: DeliveryTag(confirm.tag),
        multiple: confirm.multiple,
        ..basic::Nack::default()
    })
}

/// A message for the client.
pub(super) fn content<'a>(
    exchange: &'a ShortStr,
    routing_key: &'a ShortStr,
    properties: &'a Properties,
    body: Bytes,
) -> Content<'a> {
    Content {
        exchange: exchange.as_bytes(),
        routing_key: routing_key.as_bytes(),
        properties: properties.as_bytes(),
        body,
    }
}

/// A message that no queue took, for the client.
pub(super) fn give_back(
    client: &mut ServerConnection,
    number: ChannelNumber,
    returned: basic::Return,
    properties: Properties,
    body: Bytes,
) {
    let message = Publish {
        exchange: returned.exchange,
        routing_key: returned.routing_key,
        properties,
        body,
        ..Publish::default()
    };
    let code = reply_code(returned.reply_code);
    client.give_back(number, code, &returned.reply_text, &message);
}

/// What the owner says of a channel, for the client.
pub(super) fn channel_error(close: channel::Close) -> ChannelError {
    ChannelError {
        code: reply_code(close.reply_code),
        text: close.reply_text,
        method: MethodId::new(close.class_id, close.method_id),
    }
}

/// What the owner says of the connection, for the client.
pub(super) fn connection_error(close: connection::Close) -> ConnectionError {
    ConnectionError {
        code: reply_code(close.reply_code),
        text: close.reply_text,
        method: MethodId::new(close.class_id, close.method_id),
    }
}

fn reply_code(number: u16) -> ReplyCode {
    ReplyCode::from_number(number).unwrap_or(ReplyCode::InternalError)
}
