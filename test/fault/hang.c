/* Runs a program that sees a mount which never answers: a FUSE filesystem whose server reads nothing.
   usage: hang MOUNTPOINT PROGRAM ARGUMENTS...   Needs root. The mount is seen by that program alone and ends with it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int failed(const char *what) {
  perror(what);
  return 111;
}

int main(int argc, char **argv) {
  if (argc < 3) return 110;
  if (unshare(CLONE_NEWNS) != 0) return failed("unshare");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return failed("private mounts");
  int fuse = open("/dev/fuse", O_RDWR);
  if (fuse < 0) return failed("/dev/fuse");
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
  if (mount("server:/dead", argv[1], "fuse.hang", 0, options) != 0) return failed("mount");
  execvp(argv[2], argv + 2);
  return failed(argv[2]);
}
