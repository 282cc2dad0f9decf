// connectload PORT AT_ONCE WARM_UP_S MEASURE_S [SERVER_PID]: short connections to an echo server on loopback.
// AT_ONCE connections are on the way all the time: each connects, sends one byte, waits for it, closes with a reset, and the
// next one begins. One line of JSON is printed; latency is from connect to the echoed byte, and with SERVER_PID cpuUs is the
// CPU time the server spent on a connection.
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

enum { EVENTS = 512, MAX_LATENCIES = 1000000 };

typedef struct {
  int fd;
  int sent;
  double begun_at;
} Connection;

static int epoll, port;

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

static void begin(Connection *connection) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  connection->begun_at = now();
  connection->sent = 0;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->fd < 0) fail("socket");
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct linger reset = {1, 0}; // closing resets: no TIME_WAIT uses the ports up
  setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
  epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

// Goes one step further; whether the byte has come back.
static int advance(Connection *connection) {
  char byte = 'x';
  if (!connection->sent) {
    if (send(connection->fd, &byte, 1, MSG_NOSIGNAL) != 1) fail("send");
    connection->sent = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event);
    return 0;
  }
  ssize_t count = recv(connection->fd, &byte, 1, 0);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count < 0) fail("recv");
  if (count == 0 || byte != 'x') {
    fprintf(stderr, "connectload: the server %s\n", count == 0 ? "closed a connection" : "did not echo what was sent");
    exit(1);
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) {
    fprintf(stderr, "usage: connectload PORT AT_ONCE WARM_UP_S MEASURE_S [SERVER_PID]\n");
    return 2;
  }
  clockid_t server_clock = CLOCK_PROCESS_CPUTIME_ID;
  int with_cpu = argc == 6;
  if (with_cpu && clock_getcpuclockid(atoi(argv[5]), &server_clock)) fail("clock_getcpuclockid");
  port = atoi(argv[1]);
  int at_once = atoi(argv[2]);
  epoll = epoll_create1(0);
  Connection *all = calloc(at_once, sizeof *all);
  float *latencies = malloc(MAX_LATENCIES * sizeof *latencies);
  // Touched before it is measured: page faults on the way would count as latency.
  memset(latencies, 0, MAX_LATENCIES * sizeof *latencies);
  size_t latency_count = 0;
  long done = 0;
  double start = now() + atof(argv[3]), end = start + atof(argv[4]), last = now(), cpu = 0;
  int warm = 0;
  for (int i = 0; i < at_once; i++) begin(&all[i]);
  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, 100);
    double time = now();
    if (!warm && time >= start) {
      warm = 1;
      start = time;
      cpu = read_clock(server_clock);
      done = 0;
      latency_count = 0;
    }
    if (time >= end) {
      end = time;
      cpu = read_clock(server_clock) - cpu;
      break;
    }
    if (ready > 0) last = time;
    if (time - last > 5) {
      fprintf(stderr, "connectload: nothing happened for 5 s\n");
      return 1;
    }
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (!advance(connection)) continue;
      if (latency_count < MAX_LATENCIES) latencies[latency_count++] = (now() - connection->begun_at) * 1e6;
      done++;
      close(connection->fd);
      begin(connection);
    }
  }
  double seconds = end - start;
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("{\"rate\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f", done / seconds, latency_count ? latencies[latency_count / 2] : 0,
         latency_count ? latencies[(size_t)(latency_count * .99)] : 0);
  if (with_cpu) printf(",\"cpuUs\":%.3f", done ? cpu * 1e6 / done : 0);
  printf("}\n");
  return 0;
}
