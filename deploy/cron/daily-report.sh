#!/bin/sh
# Writes the daily reports of GPU nodes (docs/reports.md) from cron, in place of the tool before GOHM: it takes the same command
# line, writes the same folders, and appends to a log. In the crontab, put its path where that of the old tool was:
#   45 23 * * * /usr/local/bin/daily-report.sh --data-dir /data/amd-gpu
# Variables, which a crontab may set in lines of their own:
#   GOHM_COMMAND     the program; gohm by default, as deploy/install.sh --hub installs it
#   GOHM_REPORT_LOG  file to which output and messages are appended; without it, or if this user may not write to it, they go to
#                    cron, as those of the old tool did
# Exit statuses are those of gohm report: 0 if the report of at least one node is complete, 3 if none is, 1 and 2 for errors.
set -u
PATH=/usr/local/bin:$PATH
command=${GOHM_COMMAND:-gohm}
log=${GOHM_REPORT_LOG:-}
# At this size the log is renamed, and the one before it is removed; in a folder of others it is emptied. Bytes.
most=10000000

if [ -n "$log" ]; then
  # The log names people.
  umask 077
  # Tried first: an exec that fails would end this script, and a day would have no report.
  if (: >>"$log") 2>/dev/null; then
    if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$most" ]; then mv -f -- "$log" "$log.1" 2>/dev/null || : >"$log"; fi
    exec >>"$log" 2>&1
  else
    echo "daily-report.sh: the log $log (GOHM_REPORT_LOG) cannot be written by $(id -un): output follows here" >&2
  fi
fi

if ! type "$command" >/dev/null 2>&1; then
  echo "daily-report.sh: there is no program $command: install it with deploy/install.sh --hub, or name it in GOHM_COMMAND" >&2
  exit 1
fi
exec "$command" report "$@"
