/* Stands between a program and its C library (LD_PRELOAD), and does to it what a machine may do at any moment. What is to
   happen stands in the file that SHIM names, which may be written while the program runs:
     bytes 0 to 7     seconds that the wall clock is ahead, as a signed number of this machine's order of bytes
     bytes 8 to 263   end of a path, "\0" for none: such a file can be opened, but its process is gone when it is read */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const struct Order { volatile int64_t ahead; char gone[256]; } nothing, *order = &nothing;
static unsigned char doomed[65536];

/* The next of that name after this library: the C library's own. */
#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("SHIM");
  if (!path) return;
  REAL(int, "open", const char *, int, ...);
  int file = real(path, O_RDONLY | O_CLOEXEC);
  void *seen = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *order, PROT_READ, MAP_SHARED, file, 0);
  if (seen != MAP_FAILED) order = seen;
  if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, at);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += order->ahead;
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  REAL(int, "gettimeofday", struct timeval *, void *);
  int result = real(at, zone);
  if (!result) at->tv_sec += order->ahead;
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

static int opened(const char *path, int file) {
  if (file < 0 || file >= (int)sizeof doomed) return file;
  size_t all = strlen(path), end = strnlen(order->gone, sizeof order->gone);
  doomed[file] = end > 0 && all >= end && !memcmp(path + all - end, order->gone, end);
  return file;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, #name, const char *, int, ...); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return opened(path, real(path, flags, mode)); \
  }
OPEN(open)
OPEN(open64)

static int gone(int file) {
  if (file < 0 || file >= (int)sizeof doomed || !doomed[file]) return 0;
  errno = ESRCH; /* as the kernel says it (fs/proc/base.c) */
  return 1;
}

ssize_t read(int file, void *to, size_t size) {
  REAL(ssize_t, "read", int, void *, size_t);
  return gone(file) ? -1 : real(file, to, size);
}

ssize_t readv(int file, const struct iovec *to, int count) {
  REAL(ssize_t, "readv", int, const struct iovec *, int);
  return gone(file) ? -1 : real(file, to, count);
}

ssize_t pread64(int file, void *to, size_t size, off64_t at) {
  REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
  return gone(file) ? -1 : real(file, to, size, at);
}

int close(int file) {
  REAL(int, "close", int);
  if (file >= 0 && file < (int)sizeof doomed) doomed[file] = 0;
  return real(file);
}
