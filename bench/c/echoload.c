// echoload PORT CONNECTIONS IN_FLIGHT BYTES WARM_UP_S MEASURE_S [SERVER_PID]: loads an echo server on loopback.
// Every connection keeps a batch of IN_FLIGHT messages of BYTES (each ends in LF) on the way. During the warm-up, which is
// not counted, the returned bytes are compared with those sent. One line of JSON is printed; latency is that of a batch,
// and with SERVER_PID cpuUs is the CPU time the server spent on a message. Built with -DWITH_TLS it speaks TLS, and takes any
// certificate.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#endif

enum { READ_BYTES = 1 << 20, EVENTS = 512, MAX_LATENCIES = 4000000 };

typedef struct {
  int fd;
#ifdef WITH_TLS
  SSL *tls;
#endif
  long received; // of the batch on its way
  double sent_at;
} Connection;

static char *batch;
static long batch_bytes;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double read_clock(clockid_t clock) {
  struct timespec t = {0, 0};
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double now(void) { return read_clock(CLOCK_MONOTONIC); }

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void fill_batch(long messages, long bytes) {
  batch_bytes = messages * bytes;
  batch = malloc(batch_bytes);
  // A run of letters whose length is no divisor of the usual sizes: bytes echoed out of order do not compare equal.
  for (long i = 0; i < batch_bytes; i++) batch[i] = (i + 1) % bytes == 0 ? '\n' : 'a' + i % 23;
}

static int connect_to(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct linger reset = {1, 0}; // closing resets: no TIME_WAIT is left for the next round
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return fd;
}

#ifdef WITH_TLS
static void secure(Connection *connection) {
  static SSL_CTX *context;
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    signal(SIGPIPE, SIG_IGN); // SSL_write knows no MSG_NOSIGNAL
    // A session ticket alone is no message: SSL_read has to come back without one.
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  }
  connection->tls = SSL_new(context);
  SSL_set_fd(connection->tls, connection->fd);
  if (SSL_connect(connection->tls) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
}

static ssize_t send_some(Connection *connection, const char *bytes, long count) {
  return SSL_write(connection->tls, bytes, count);
}

static ssize_t receive_some(Connection *connection, char *bytes) {
  int count = SSL_read(connection->tls, bytes, READ_BYTES);
  if (count > 0) return count;
  int error = SSL_get_error(connection->tls, count);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
  return -1;
}

// What is decrypted already and wakes no poll.
static int more_at_hand(Connection *connection) { return SSL_pending(connection->tls) > 0; }
#else
static void secure(Connection *connection) { (void)connection; }

static ssize_t send_some(Connection *connection, const char *bytes, long count) {
  return send(connection->fd, bytes, count, MSG_NOSIGNAL);
}

static ssize_t receive_some(Connection *connection, char *bytes) {
  return recv(connection->fd, bytes, READ_BYTES, MSG_DONTWAIT);
}

static int more_at_hand(Connection *connection) {
  (void)connection;
  return 0;
}
#endif

static void send_batch(Connection *connection) {
  connection->received = 0;
  connection->sent_at = now();
  for (long done = 0; done < batch_bytes;) {
    ssize_t sent = send_some(connection, batch + done, batch_bytes - done);
    if (sent <= 0) fail("send");
    done += sent;
  }
}

static ssize_t receive(Connection *connection, char *bytes, int compare) {
  ssize_t count = receive_some(connection, bytes);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count < 0) fail("recv");
  if (count == 0 || connection->received + count > batch_bytes ||
      (compare && memcmp(bytes, batch + connection->received, count) != 0)) {
    fprintf(stderr, "echoload: the server %s\n", count == 0 ? "closed a connection" : "did not echo what was sent");
    exit(1);
  }
  connection->received += count;
  return count;
}

int main(int argc, char **argv) {
  if (argc != 7 && argc != 8) {
    fprintf(stderr, "usage: echoload PORT CONNECTIONS IN_FLIGHT BYTES WARM_UP_S MEASURE_S [SERVER_PID]\n");
    return 2;
  }
  clockid_t server_clock = CLOCK_PROCESS_CPUTIME_ID;
  int with_cpu = argc == 8;
  if (with_cpu && clock_getcpuclockid(atoi(argv[7]), &server_clock)) fail("clock_getcpuclockid");
  int port = atoi(argv[1]), connections = atoi(argv[2]);
  long in_flight = atol(argv[3]);
  fill_batch(in_flight, atol(argv[4]));
  Connection *all = calloc(connections, sizeof *all);
  int epoll = epoll_create1(0);
  double connect_seconds = now();
  for (int i = 0; i < connections; i++) {
    all[i].fd = connect_to(port);
    secure(&all[i]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  connect_seconds = now() - connect_seconds;

  char *bytes = malloc(READ_BYTES);
  float *latencies = malloc(MAX_LATENCIES * sizeof *latencies);
  // Touched before it is measured: page faults on the way would count as latency.
  memset(latencies, 0, MAX_LATENCIES * sizeof *latencies);
  size_t latency_count = 0;
  long batches = 0;
  double start = now() + atof(argv[5]), end = start + atof(argv[6]), last_answer = now(), cpu = 0;
  int warm = 0;
  for (int i = 0; i < connections; i++) send_batch(&all[i]);
  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, 100);
    double time = now();
    if (!warm && time >= start) {
      warm = 1;
      start = time;
      cpu = read_clock(server_clock);
      batches = 0;
      latency_count = 0;
    }
    if (time >= end) {
      end = time;
      cpu = read_clock(server_clock) - cpu;
      break;
    }
    if (ready > 0) last_answer = time;
    if (time - last_answer > 5) {
      fprintf(stderr, "echoload: nothing came back for 5 s\n");
      return 1;
    }
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      do receive(connection, bytes, !warm);
      while (more_at_hand(connection));
      if (connection->received < batch_bytes) continue;
      batches++;
      if (latency_count < MAX_LATENCIES) latencies[latency_count++] = (time - connection->sent_at) * 1e6;
      send_batch(connection);
    }
  }
  double seconds = end - start;
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("{\"rate\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f", batches * in_flight / seconds,
         latency_count ? latencies[latency_count / 2] : 0, latency_count ? latencies[(size_t)(latency_count * .99)] : 0);
  if (with_cpu) printf(",\"cpuUs\":%.3f", batches ? cpu * 1e6 / (batches * in_flight) : 0);
  printf(",\"connectsPerS\":%.0f}\n", connections / connect_seconds);
  return 0;
}
