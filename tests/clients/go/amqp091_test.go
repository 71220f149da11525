// amqp091-go, the Go client, unmodified, as Debian packages it. How tests learn of their server: ../README.md.
package clients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var url = "amqp://guest:guest@127.0.0.1:" + os.Getenv("AMQP_PORT") + "/"

const patience = 20 * time.Second

// fixture is a connection with a channel in confirm mode and a durable queue, which goes after the test.
type fixture struct {
	*testing.T
	connection *amqp.Connection
	channel    *amqp.Channel
	queue      string
}

func start(t *testing.T) *fixture {
	t.Cleanup(func() { noteResult(t) })
	f := &fixture{T: t, queue: fmt.Sprintf("clients-go-%d", time.Now().UnixNano())}
	f.connect()
	_, err := f.channel.QueueDeclare(f.queue, true, false, false, false, nil)
	f.check(err)
	t.Cleanup(func() {
		f.connection.Close()
		f.connect()
		_, err := f.channel.QueueDelete(f.queue, false, false, false)
		f.check(err)
		f.connection.Close()
	})
	return f
}

// noteResult appends a line to the file that the chore reads.
func noteResult(t *testing.T) {
	path := os.Getenv("CLIENT_RESULTS")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if t.Failed() {
		fmt.Fprint(file, "not ")
	}
	fmt.Fprintln(file, "ok - "+t.Name())
}

func (f *fixture) connect() {
	f.Helper()
	var err error
	f.connection, err = amqp.Dial(url)
	f.check(err)
	f.channel = f.open()
	f.check(f.channel.Confirm(false))
}

func (f *fixture) open() *amqp.Channel {
	f.Helper()
	channel, err := f.connection.Channel()
	f.check(err)
	return channel
}

func (f *fixture) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) equal(got, wanted interface{}) {
	f.Helper()
	if !reflect.DeepEqual(got, wanted) {
		f.Fatalf("got %v, wanted %v", got, wanted)
	}
}

// publish waits for the confirm and tells whether it was an ack.
func (f *fixture) publish(exchange, key string, message amqp.Publishing) bool {
	f.Helper()
	message.DeliveryMode = amqp.Persistent
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	confirm, err := f.channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, message)
	f.check(err)
	return confirm.Wait()
}

func (f *fixture) send(bodies ...string) {
	f.Helper()
	for _, body := range bodies {
		f.equal(f.publish("", f.queue, amqp.Publishing{Body: []byte(body)}), true)
	}
}

func (f *fixture) get(queue string) amqp.Delivery {
	f.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		message, ok, err := f.channel.Get(queue, true)
		f.check(err)
		if ok {
			return message
		}
	}
	f.Fatal("no message came to " + queue)
	return amqp.Delivery{}
}

func (f *fixture) next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	f.Helper()
	select {
	case delivery, open := <-deliveries:
		f.equal(open, true)
		return delivery
	case <-time.After(patience):
		f.Fatal("no delivery came")
		return amqp.Delivery{}
	}
}

func (f *fixture) none(deliveries <-chan amqp.Delivery) {
	f.Helper()
	select {
	case delivery := <-deliveries:
		f.Fatalf("%s came", delivery.Body)
	case <-time.After(300 * time.Millisecond):
	}
}

func (f *fixture) consume(channel *amqp.Channel, queue string, args amqp.Table) <-chan amqp.Delivery {
	f.Helper()
	deliveries, err := channel.Consume(queue, "", false, false, false, false, args)
	f.check(err)
	return deliveries
}

// refused expects the code and the text of a channel's or connection's end.
func (f *fixture) refused(err error, code int, text string) {
	f.Helper()
	var told *amqp.Error
	if !errors.As(err, &told) || told.Code != code || !strings.Contains(told.Reason, text) {
		f.Fatalf("got %v, wanted %d %s", err, code, text)
	}
}

func restart(t *testing.T, how string) {
	control, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv("SERVER_CONTROL"))
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	fmt.Fprintln(control, how)
	if answer, err := bufio.NewReader(control).ReadString('\n'); err != nil || answer != "ok\n" {
		t.Fatal(answer, err)
	}
}

func TestPublishConsumeAck(t *testing.T) {
	f := start(t)
	for number := 0; number < 100; number++ {
		f.send(fmt.Sprint(number))
	}
	f.check(f.channel.Qos(5, 0, false))
	deliveries := f.consume(f.channel, f.queue, nil)
	for number := 0; number < 100; number++ {
		delivery := f.next(deliveries)
		f.equal(string(delivery.Body), fmt.Sprint(number))
		f.equal(delivery.Redelivered, false)
		f.check(delivery.Ack(false))
	}
	queue, err := f.channel.QueueInspect(f.queue)
	f.check(err)
	f.equal([]int{queue.Messages, queue.Consumers}, []int{0, 1})
}

func TestPrefetchAndCancel(t *testing.T) {
	f := start(t)
	f.send("1", "2", "3", "4", "5")
	channel := f.open()
	f.check(channel.Qos(2, 0, false))
	deliveries, err := channel.Consume(f.queue, "tag", false, false, false, false, nil)
	f.check(err)
	f.next(deliveries)
	second := f.next(deliveries)
	f.none(deliveries)
	f.check(second.Ack(true))
	f.next(deliveries)
	held := f.next(deliveries)
	f.check(channel.Cancel("tag", false))
	f.check(held.Nack(true, true))
	// What other channels ask may overtake a nack, but not its channel's close.
	f.check(channel.Close())
	f.equal(string(f.get(f.queue).Body), "3")
}

func TestNackAndReject(t *testing.T) {
	f := start(t)
	f.send("again")
	message, _, err := f.channel.Get(f.queue, false)
	f.check(err)
	f.check(message.Nack(false, true))
	message, _, err = f.channel.Get(f.queue, false)
	f.check(err)
	f.equal(message.Redelivered, true)
	f.check(message.Reject(false))
	_, found, err := f.channel.Get(f.queue, false)
	f.check(err)
	f.equal(found, false)
}

func TestManyConfirmsFromManyGoroutines(t *testing.T) {
	f := start(t)
	var senders sync.WaitGroup
	for sender := 0; sender < 8; sender++ {
		channel := f.open()
		f.check(channel.Confirm(false))
		confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 250))
		senders.Add(1)
		go func() {
			defer senders.Done()
			for number := 0; number < 250; number++ {
				message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")}
				if err := channel.PublishWithContext(context.Background(), "", f.queue, false, false, message); err != nil {
					t.Error(err)
				}
			}
			for number := 1; number <= 250; number++ {
				if confirm := <-confirms; !confirm.Ack || confirm.DeliveryTag != uint64(number) {
					t.Error(confirm)
				}
			}
		}()
	}
	senders.Wait()
	count, err := f.channel.QueuePurge(f.queue, false)
	f.check(err)
	f.equal(count, 2000)
}

func TestReturns(t *testing.T) {
	f := start(t)
	returns := f.channel.NotifyReturn(make(chan amqp.Return, 1))
	message := amqp.Publishing{Body: []byte("nobody"), MessageId: "m"}
	confirm, err := f.channel.PublishWithDeferredConfirmWithContext(context.Background(), "", f.queue+"-missing", true, false, message)
	f.check(err)
	f.equal(confirm.Wait(), true)
	returned := <-returns
	f.equal(returned.ReplyCode, uint16(312))
	f.equal([]string{returned.ReplyText, string(returned.Body), returned.MessageId}, []string{"NO_ROUTE", "nobody", "m"})
}

func TestBodiesOfEverySize(t *testing.T) {
	f := start(t)
	for _, size := range []int{0, 1, 131_064, 131_065, 10 * 1024 * 1024} {
		body := bytes.Repeat([]byte("0123456789abcdef+"), size/17+1)[:size]
		f.equal(f.publish("", f.queue, amqp.Publishing{Body: body}), true)
		if got := f.get(f.queue).Body; !bytes.Equal(got, body) {
			t.Fatalf("a body of %d bytes came back with %d, or changed", size, len(got))
		}
	}
}

func TestHeadersOfEveryType(t *testing.T) {
	f := start(t)
	headers := amqp.Table{
		"bool":      true,
		"byte":      byte(200),
		"int16":     int16(-300),
		"int32":     int32(-70_000),
		"int64":     int64(1) << 62,
		"float32":   float32(0.5),
		"float64":   0.1,
		"decimal":   amqp.Decimal{Scale: 2, Value: 314},
		"string":    "Grüße, 世界",
		"long text": strings.Repeat("x", 300),
		"bytes":     []byte{0, 255, 128},
		"time":      time.Unix(1_700_000_000, 0),
		"nil":       nil,
		"table":     amqp.Table{"inner": amqp.Table{"innermost": int32(1)}},
		"array":     []interface{}{int32(1), "two", []interface{}{int32(3)}, amqp.Table{"four": int32(4)}},
	}
	sent := amqp.Publishing{
		Headers: headers, ContentType: "text/plain", ContentEncoding: "utf-8", Priority: 3, CorrelationId: "correlation",
		ReplyTo: "replies", Expiration: "600000", MessageId: "id", Timestamp: time.Unix(1_700_000_000, 0), Type: "kind",
		UserId: "guest", AppId: "tests", Body: []byte("x"),
	}
	f.equal(f.publish("", f.queue, sent), true)
	got := f.get(f.queue)
	f.equal(got.Headers, headers)
	f.equal(amqp.Publishing{
		Headers: got.Headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding, Priority: got.Priority,
		CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo, Expiration: got.Expiration, MessageId: got.MessageId,
		Timestamp: got.Timestamp, Type: got.Type, UserId: got.UserId, AppId: got.AppId, Body: got.Body,
	}, sent)
}

func TestExchanges(t *testing.T) {
	f := start(t)
	topic, headers, caught := f.queue+"-topic", f.queue+"-headers", f.queue+"-caught"
	f.check(f.channel.ExchangeDeclare(caught, "fanout", false, true, false, false, nil))
	f.check(f.channel.ExchangeDeclare(headers, "headers", true, false, true, false, amqp.Table{"alternate-exchange": caught}))
	f.check(f.channel.ExchangeDeclare(topic, "topic", true, false, false, false, nil))
	f.check(f.channel.ExchangeBind(headers, "orders.*", topic, false, nil))
	f.check(f.channel.QueueBind(f.queue, "", headers, false, amqp.Table{"x-match": "all", "kind": "paid"}))
	other, err := f.channel.QueueDeclare("", false, true, true, false, nil)
	f.check(err)
	f.check(f.channel.QueueBind(other.Name, "", caught, false, nil))
	f.publish(topic, "orders.7", amqp.Publishing{Headers: amqp.Table{"kind": "paid"}, Body: []byte("fits")})
	f.publish(topic, "orders.8", amqp.Publishing{Headers: amqp.Table{"kind": "sent"}, Body: []byte("does not")})
	f.publish(topic, "invoices.9", amqp.Publishing{Body: []byte("nowhere")})
	f.equal(string(f.get(f.queue).Body), "fits")
	f.equal(string(f.get(other.Name).Body), "does not")
	f.check(f.channel.ExchangeUnbind(headers, "orders.*", topic, false, nil))
	f.check(f.channel.ExchangeDelete(topic, false, false))
	f.check(f.channel.ExchangeDelete(headers, false, false))
}

func TestDeadLetters(t *testing.T) {
	f := start(t)
	work, err := f.channel.QueueDeclare("", false, false, true, false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f.queue, "x-message-ttl": int32(300), "x-max-length": int32(1),
	})
	f.check(err)
	f.publish("", work.Name, amqp.Publishing{Body: []byte("rejected")})
	message, _, err := f.channel.Get(work.Name, false)
	f.check(err)
	f.check(message.Reject(false))
	for _, body := range []string{"maxlen", "expired"} {
		f.publish("", work.Name, amqp.Publishing{Body: []byte(body)})
	}
	for _, reason := range []string{"rejected", "maxlen", "expired"} {
		dead := f.get(f.queue)
		f.equal(string(dead.Body), reason)
		death := dead.Headers["x-death"].([]interface{})[0].(amqp.Table)
		if age := time.Since(death["time"].(time.Time)); age < -2*time.Second || age > patience {
			t.Fatalf("it died %v ago", age)
		}
		delete(death, "time")
		f.equal(death, amqp.Table{
			"count": int64(1), "reason": reason, "queue": work.Name, "exchange": "", "routing-keys": []interface{}{work.Name},
		})
	}
}

func TestPriorities(t *testing.T) {
	f := start(t)
	urgent, err := f.channel.QueueDeclare("", false, false, true, false, amqp.Table{"x-max-priority": int32(9)})
	f.check(err)
	for _, priority := range []uint8{1, 9, 5} {
		f.publish("", urgent.Name, amqp.Publishing{Priority: priority, Body: []byte{'0' + priority}})
	}
	for _, body := range []string{"9", "5", "1"} {
		f.equal(string(f.get(urgent.Name).Body), body)
	}
}

func TestAFullQueueNacks(t *testing.T) {
	f := start(t)
	full, err := f.channel.QueueDeclare("", false, false, true, false, amqp.Table{"x-max-length": int64(1), "x-overflow": "reject-publish"})
	f.check(err)
	f.equal(f.publish("", full.Name, amqp.Publishing{}), true)
	f.equal(f.publish("", full.Name, amqp.Publishing{}), false)
}

func TestOneActiveConsumerAndPriorities(t *testing.T) {
	f := start(t)
	low := f.consume(f.open(), f.queue, nil)
	high := f.consume(f.open(), f.queue, amqp.Table{"x-priority": int32(10)})
	f.send("urgent")
	f.equal(string(f.next(high).Body), "urgent")
	f.none(low)
	single, err := f.channel.QueueDeclare("", false, false, true, false, amqp.Table{"x-single-active-consumer": true})
	f.check(err)
	active := f.open()
	first, second := f.consume(active, single.Name, nil), f.consume(f.open(), single.Name, nil)
	f.publish("", single.Name, amqp.Publishing{Body: []byte("held")})
	f.next(first)
	f.check(active.Close())
	again := f.next(second)
	f.equal([]interface{}{string(again.Body), again.Redelivered}, []interface{}{"held", true})
}

func TestDirectReplyTo(t *testing.T) {
	f := start(t)
	replies, err := f.channel.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	f.check(err)
	f.publish("", f.queue, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", CorrelationId: "c", Body: []byte("question")})
	question := f.next(f.consume(f.open(), f.queue, nil))
	f.check(f.open().Publish("", question.ReplyTo, false, false, amqp.Publishing{CorrelationId: question.CorrelationId, Body: []byte("answer")}))
	reply := f.next(replies)
	f.equal([]string{reply.CorrelationId, string(reply.Body)}, []string{"c", "answer"})
}

func TestTransactions(t *testing.T) {
	f := start(t)
	tx := f.open()
	f.check(tx.Tx())
	f.check(tx.Publish("", f.queue, false, false, amqp.Publishing{Body: []byte("forgotten")}))
	f.check(tx.TxRollback())
	f.check(tx.Publish("", f.queue, false, false, amqp.Publishing{Body: []byte("kept")}))
	f.check(tx.TxCommit())
	message, _, err := tx.Get(f.queue, false)
	f.check(err)
	f.equal([]interface{}{string(message.Body), message.MessageCount}, []interface{}{"kept", uint32(0)})
	f.check(message.Ack(false))
	f.check(tx.TxCommit())
	f.check(tx.Close())
	_, found, err := f.channel.Get(f.queue, true)
	f.check(err)
	f.equal(found, false)
}

func TestRecover(t *testing.T) {
	f := start(t)
	f.send("x")
	deliveries := f.consume(f.channel, f.queue, nil)
	f.next(deliveries)
	f.check(f.channel.Recover(true))
	f.equal(f.next(deliveries).Redelivered, true)
}

func TestAConsumerIsCancelled(t *testing.T) {
	f := start(t)
	cancelled := f.channel.NotifyCancel(make(chan string, 1))
	deliveries, err := f.channel.Consume(f.queue, "mine", false, false, false, false, nil)
	f.check(err)
	_, err = f.open().QueueDelete(f.queue, false, false, false)
	f.check(err)
	f.equal(<-cancelled, "mine")
	_, open := <-deliveries
	f.equal(open, false)
}

func TestErrors(t *testing.T) {
	f := start(t)
	_, err := f.open().QueueDeclarePassive(f.queue+"-missing", true, false, false, false, nil)
	f.refused(err, amqp.NotFound, fmt.Sprintf("NOT_FOUND - no queue '%s-missing' in vhost '/'", f.queue))
	_, err = f.open().QueueDeclare(f.queue, false, false, false, false, nil)
	f.refused(err, amqp.PreconditionFailed, "inequivalent arg 'durable' for queue")
	channel := f.open()
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	f.check(channel.Ack(99, false))
	f.refused(<-closed, amqp.PreconditionFailed, "unknown delivery tag 99")
	_, err = amqp.Dial(strings.Replace(url, "guest@", "wrong@", 1))
	f.refused(err, amqp.AccessRefused, "")
	// The client's own error for a virtual host that is not there.
	_, err = amqp.Dial(url + "missing")
	f.refused(err, amqp.AccessRefused, "no access to this vhost")
	f.send("still here")
}

func TestTheServerIsRestarted(t *testing.T) {
	for _, how := range []string{"terminate", "kill"} {
		t.Run(how, func(t *testing.T) {
			f := start(t)
			f.send("1", "2", "3")
			closed := f.connection.NotifyClose(make(chan *amqp.Error, 1))
			restart(t, how)
			if told := <-closed; how == "terminate" {
				f.equal(told.Code, amqp.ConnectionForced)
			}
			f.connect()
			for _, body := range []string{"1", "2", "3"} {
				f.equal(string(f.get(f.queue).Body), body)
			}
		})
	}
}
