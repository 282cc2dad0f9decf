# EventMachine: one reactor with epoll. It sets TCP_NODELAY on what it accepts by itself.
require 'eventmachine'
require 'socket'

module Echo
  def receive_data(data)
    send_data(data)
  end
end

EventMachine.epoll = true
EventMachine.run do
  listener = EventMachine.start_server('127.0.0.1', 0, Echo)
  port, = Socket.unpack_sockaddr_in(EventMachine.get_sockname(listener))
  puts "port #{port}"
  $stdout.flush
end
