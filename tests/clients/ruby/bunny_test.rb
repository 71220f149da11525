# Bunny, the Ruby client, unmodified, as Debian packages it. How tests learn of their server: ../README.md.
# frozen_string_literal: true

require 'bunny'
require 'minitest/autorun'
require 'securerandom'
require 'socket'

class BunnyTest < Minitest::Test
  PORT = Integer(ENV.fetch('AMQP_PORT'))

  # One test after the other: some restart the server.
  i_suck_and_my_tests_are_order_dependent!

  def setup
    @name = "clients-#{SecureRandom.uuid}"
    @connection = connect
    @channel = @connection.create_channel
    @channel.confirm_select
    @queue = @channel.queue(@name, durable: true)
  end

  def teardown
    note_result
    @connection.close if @connection.open?
    cleaner = connect
    cleaner.create_channel.queue_delete(@name)
    cleaner.close
  end

  def connect(**options)
    Bunny.new(host: '127.0.0.1', port: PORT, log_level: Logger::FATAL, network_recovery_interval: 0.2, **options).start
  end

  # A line for the chore.
  def note_result
    path = ENV.fetch('CLIENT_RESULTS', nil)
    File.write(path, "#{'not ' unless passed?}ok - #{name}\n", mode: 'a') if path
  end

  def restart(how)
    control = TCPSocket.new('127.0.0.1', Integer(ENV.fetch('SERVER_CONTROL')))
    control.puts(how)
    assert_equal "ok\n", control.gets
    control.close
  end

  def publish(*bodies, to: @name, **options)
    bodies.each { |body| @channel.default_exchange.publish(body, routing_key: to, persistent: true, **options) }
    @channel.wait_for_confirms
  end

  # The first true answer of the block.
  def wait_until(within: 20)
    deadline = Time.now + within
    loop do
      answer = yield
      return answer if answer
      raise "waited #{within} s in vain" if Time.now > deadline

      sleep 0.03
    end
  end

  def get(queue = @queue)
    wait_until do
      delivery = queue.pop
      delivery if delivery.first
    end
  end

  def test_publish_with_confirms_consume_and_ack
    bodies = (0...200).map(&:to_s)
    assert publish(*bodies)
    assert_equal 200, @queue.message_count
    got = Queue.new
    @channel.prefetch(10)
    consumer = @queue.subscribe(manual_ack: true) do |delivery, _properties, body|
      got << body
      @channel.ack(delivery.delivery_tag)
    end
    wait_until { got.size == 200 }
    consumer.cancel
    assert_equal bodies, Array.new(200) { got.pop }
    assert_equal 0, @queue.message_count
  end

  def test_prefetch_bounds_what_is_unacked
    publish(*['x'] * 5)
    other = @connection.create_channel
    other.prefetch(2)
    tags = []
    other.queue(@name, durable: true).subscribe(manual_ack: true) { |delivery, *| tags << delivery.delivery_tag }
    wait_until { tags.size == 2 }
    sleep 0.3
    assert_equal 2, tags.size
    other.ack(tags.last, true)
    wait_until { tags.size == 4 }
  end

  def test_requeue_and_reject
    publish('again')
    delivery, = @queue.pop(manual_ack: true)
    refute delivery.redelivered?
    @channel.nack(delivery.delivery_tag, false, true)
    delivery, = wait_until { |_| (got = @queue.pop(manual_ack: true)).first && got }
    assert delivery.redelivered?
    @channel.reject(delivery.delivery_tag, false)
    assert_equal [nil, nil, nil], @queue.pop
  end

  def test_returns
    returned = Queue.new
    exchange = @channel.default_exchange
    exchange.on_return { |info, properties, body| returned << [info.reply_code, info.reply_text, properties[:message_id], body] }
    exchange.publish('nobody', routing_key: "#{@name}-missing", mandatory: true, message_id: 'm')
    assert_equal [312, 'NO_ROUTE', 'm', 'nobody'], returned.pop
  end

  def test_bodies_of_every_size
    [0, 1, 131_064, 131_065, 10 * 1024 * 1024].each do |size|
      body = Random.bytes(size)
      publish(body)
      assert_equal body, get.last
    end
  end

  def test_headers_of_every_type_and_all_properties
    headers = {
      'yes' => true, 'no' => false, 'small' => 7, 'negative' => -7, 'large' => 2**62, 'fraction' => 0.1,
      'text' => 'Grüße, 世界'.b, 'long text' => 'x' * 300, 'time' => Time.at(1_700_000_000), 'nothing' => nil,
      'table' => { 'inner' => { 'innermost' => 1 } }, 'list' => [1, 'two', { 'three' => 3 }]
    }
    sent = {
      content_type: 'text/plain', content_encoding: 'utf-8', priority: 3, correlation_id: 'correlation',
      reply_to: 'replies', expiration: '600000', message_id: 'id', timestamp: 1_700_000_000,
      type: 'kind', user_id: 'guest', app_id: 'tests'
    }
    publish('x', headers: headers, **sent)
    properties = get[1]
    assert_equal headers, properties.headers
    sent[:timestamp] = Time.at(1_700_000_000)
    assert_equal sent, sent.keys.to_h { |key| [key, properties[key]] }
  end

  def test_exchanges_of_every_kind
    caught = @channel.fanout("#{@name}-caught", auto_delete: true)
    headers = @channel.headers("#{@name}-headers", auto_delete: true, arguments: { 'alternate-exchange' => caught.name })
    topic = @channel.topic("#{@name}-topic", durable: true)
    headers.bind(topic, routing_key: 'orders.#')
    @queue.bind(headers, arguments: { 'x-match' => 'any', 'kind' => 'paid' })
    other = @channel.queue('', exclusive: true).bind(caught)
    topic.publish('fits', routing_key: 'orders.7', headers: { kind: 'paid' })
    topic.publish('does not', routing_key: 'orders.8', headers: { kind: 'sent' })
    topic.publish('nowhere', routing_key: 'invoices')
    @channel.wait_for_confirms
    assert_equal 'fits', get.last
    assert_equal 'does not', get(other).last
    headers.unbind(topic, routing_key: 'orders.#')
    topic.delete
    @queue.unbind(headers, arguments: { 'x-match' => 'any', 'kind' => 'paid' })
  end

  def test_dead_letters
    dead = { 'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => @name }
    work = @channel.queue('', exclusive: true, arguments: dead.merge('x-message-ttl' => 300, 'x-max-length' => 1))
    publish('rejected', to: work.name)
    delivery, = work.pop(manual_ack: true)
    @channel.reject(delivery.delivery_tag)
    publish('maxlen', 'expired', to: work.name)
    %w[rejected maxlen expired].each do |reason|
      _, properties, body = get
      assert_equal reason, body
      death, = properties.headers['x-death']
      assert_in_delta Time.now.to_i, death.delete('time').to_i, 5
      expected = { 'count' => 1, 'reason' => reason, 'queue' => work.name, 'exchange' => '', 'routing-keys' => [work.name] }
      assert_equal expected, death
    end
  end

  def test_priorities
    urgent = @channel.queue('', exclusive: true, arguments: { 'x-max-priority' => 9 })
    [1, 9, 5].each { |priority| publish(priority.to_s, to: urgent.name, priority: priority) }
    assert_equal(%w[9 5 1], Array.new(3) { get(urgent).last })
  end

  def test_a_full_queue_nacks
    full = @channel.queue('', exclusive: true, arguments: { 'x-max-length' => 1, 'x-overflow' => 'reject-publish' })
    assert publish('1', to: full.name)
    refute publish('2', to: full.name)
  end

  def test_a_single_active_consumer
    single = @channel.queue('', exclusive: true, arguments: { 'x-single-active-consumer' => true })
    got = Queue.new
    first = single.subscribe { |*, body| got << [1, body] }
    single.subscribe { |*, body| got << [2, body] }
    publish('a', to: single.name)
    assert_equal [1, 'a'], got.pop
    first.cancel
    publish('b', to: single.name)
    assert_equal [2, 'b'], got.pop
  end

  def test_direct_replies
    replies = Queue.new
    @channel.queue('amq.rabbitmq.reply-to', no_declare: true).subscribe(manual_ack: false) { |_, properties, body| replies << [properties.correlation_id, body] }
    @queue.channel.default_exchange.publish('question', routing_key: @name, reply_to: 'amq.rabbitmq.reply-to', correlation_id: 'c')
    _, properties, body = get
    other = @connection.create_channel
    other.default_exchange.publish("#{body}!", routing_key: properties.reply_to, correlation_id: properties.correlation_id)
    assert_equal ['c', 'question!'], replies.pop
  end

  def test_transactions
    tx = @connection.create_channel
    tx.tx_select
    tx.default_exchange.publish('forgotten', routing_key: @name)
    tx.tx_rollback
    tx.default_exchange.publish('kept', routing_key: @name)
    tx.tx_commit
    assert_equal 1, @queue.message_count
    assert_equal 'kept', get.last
  end

  def test_recover
    publish('x')
    seen = Queue.new
    @queue.subscribe(manual_ack: true) { |delivery, *| seen << delivery.redelivered? }
    refute seen.pop
    @channel.basic_recover(true)
    assert seen.pop
  end

  def test_a_consumer_is_cancelled_with_its_queue
    told = Queue.new
    consumer = Bunny::Consumer.new(@channel, @queue)
    consumer.on_cancellation { told << :cancelled }
    @queue.subscribe_with(consumer)
    @connection.create_channel.queue_delete(@name)
    assert_equal :cancelled, told.pop
  end

  def test_errors
    error = assert_raises(Bunny::NotFound) { @connection.create_channel.queue("#{@name}-missing", passive: true) }
    assert_includes error.message, "NOT_FOUND - no queue '#{@name}-missing' in vhost '/'"
    error = assert_raises(Bunny::PreconditionFailed) { @connection.create_channel.queue(@name, durable: false) }
    assert_includes error.message, "inequivalent arg 'durable' for queue"
    @connection.create_channel.queue("#{@name}-exclusive", exclusive: true)
    stranger = connect
    assert_raises(Bunny::ResourceLocked) { stranger.create_channel.queue("#{@name}-exclusive", passive: true) }
    stranger.close
    told = Queue.new
    doomed = @connection.create_channel
    doomed.on_error { |_, close| told << [close.reply_code, close.reply_text] }
    doomed.ack(99)
    assert_equal [406, 'PRECONDITION_FAILED - unknown delivery tag 99'], told.pop
    assert_raises(Bunny::AuthenticationFailureError) { connect(password: 'wrong') }
    assert publish('still here')
  end

  %w[terminate kill].each do |how|
    define_method("test_the_client_recovers_by_itself_after_#{how}") do
      recovered = Queue.new
      @connection.close
      @connection = connect(recovery_completed: -> { recovered << true })
      @channel = @connection.create_channel
      @channel.confirm_select
      @queue = @channel.queue(@name, durable: true)
      publish('before')
      # A queue of its own is declared and bound again, a consumer consumes again.
      exchange = @channel.fanout("#{@name}-fanout", durable: true)
      own = @channel.queue("#{@name}-own", durable: true, auto_delete: false).bind(exchange)
      got = Queue.new
      own.subscribe { |*, body| got << body }
      restart(how)
      recovered.pop
      exchange.publish('after', persistent: true)
      assert_equal 'after', got.pop
      assert_equal 'before', get.last
      own.delete
      exchange.delete
    end
  end
end
