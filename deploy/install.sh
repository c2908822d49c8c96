#!/bin/sh
# Installs the agent (or the hub) on this machine from local files: nothing is downloaded. Run again, it upgrades in place.
set -eu
# What is installed may be read by all, however careful whoever installs it is with files of their own.
umask 022

usage() {
  cat <<'TEXT'
install.sh: puts the GOHM agent on this machine and keeps it running

  sh install.sh --allow 10.0.0.5          as root: for the whole machine, as a service without rights
  sh install.sh --user --allow 10.0.0.5   without root: for this user, below the home folder
  sh install.sh --server URL              an agent that reports to a hub or portal by itself, and has no open port
  sh install.sh --hub                     as root, in a folder where `npm ci && npm run build` ran: the hub
  sh install.sh --uninstall               takes it away again; settings stay, and so does the hub's history

  --allow LIST   who may ask the agent: addresses and networks of the hubs, separated by commas (GOHM_ALLOW)
  --addr ADDR    where the agent answers, such as 0.0.0.0:9203 (GOHM_ADDR)
  --server URL   where the agent reports to, such as https://hub.lab (GOHM_SERVER)
  --file FILE    the agent: hmonitor (needs Node 18 on this machine) or hmonitor-linux-x64 (needs nothing); without it,
                 the one beside this script or in ../dist
  --to FOLDER    where the program goes, instead of /usr/local/bin (~/.local/bin; the hub: /usr/local/lib); it is remembered
  --no-start     install only
  --purge        with --uninstall: settings, caches, the hub's history and the service's user, too
  --dry-run      say what would be done, do nothing

Run it again, with a newer file, to upgrade: settings stay as they are. DESTDIR=FOLDER installs below that folder, for
packages and images: no user is made and nothing is started then.
TEXT
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
misused() {
  printf 'install.sh: %s\nsh install.sh --help lists what there is.\n' "$*" >&2
  exit 2
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
destdir=${DESTDIR:-}
scope='' part=agent action=install allow=${GOHM_ALLOW:-} addr='' server='' file='' to='' dry='' start=yes purge='' changed='' started=''

while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
    --allow=* | --addr=* | --server=* | --file=* | --to=*)
      value=${option#*=}
      option=${option%%=*}
      ;;
    --allow | --addr | --server | --file | --to)
      [ $# -ge 1 ] || misused "$option needs a value after it"
      value=$1
      shift
      ;;
  esac
  case $option in
    --allow) allow=$value ;;
    --addr) addr=$value ;;
    --server) server=$value ;;
    --file) file=$value ;;
    --to) to=$value ;;
    --user) scope=user ;;
    --system) scope=system ;;
    --hub) part=hub ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    --no-start) start='' ;;
    --dry-run) dry=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) misused "there is no option \"$option\"" ;;
  esac
done

uid=$(id -u)
if [ -z "$scope" ]; then
  if [ "$uid" -eq 0 ]; then scope=system; else scope=user; fi
fi
if [ "$scope" = system ] && [ "$uid" -ne 0 ] && [ -z "$destdir$dry" ]; then
  die "installing for the whole machine needs root; without it, --user installs below your home folder"
fi
[ "$part$scope" != hubuser ] || die "the hub is installed for the whole machine, which needs root; \`npm start\` runs it without"
[ -z "$purge" ] || [ "$action" = uninstall ] || misused "--purge goes with --uninstall"

case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac

case $to in
  '') ;;
  *[!a-zA-Z0-9._/+-]*) misused "--to takes a folder whose name has no blanks and nothing special, not \"$to\"" ;;
  /*) to=${to%/} ;;
  *) misused "--to takes a whole path that begins with /, not \"$to\"" ;;
esac

# What the units in this folder have as the program: an agent is one file, the hub a folder.
if [ "$part" = hub ]; then
  name=gohm
  usual=/usr/local/lib/gohm
else
  name=hmonitor
  usual=/usr/local/bin/hmonitor
fi
config=$destdir/etc/$name
unit=$destdir/etc/systemd/system/$name.service
unit_source=systemd/$name.service
written=$usual
if [ "$scope" = user ]; then
  [ -n "${HOME:-}" ] || die "HOME is not set: there is no home folder to install below"
  usual=$HOME/.local/bin/hmonitor
  written=%h/.local/bin/hmonitor
  config=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/hmonitor
  unit=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/hmonitor.service
  unit_source=systemd/user/hmonitor.service
fi
env_file=$config/$name.env

# Where an earlier run put the program: its unit says so.
before=''
if [ -f "$unit" ]; then before=$(sed -n -e 's/^ExecStart=\([^ ]*\).*/\1/p' -- "$unit"); fi
case $before in
  %h/*) before=$HOME/${before#%h/} ;;
esac
if [ "$part" = hub ]; then before=${before%/bin/node}; fi
# Somebody may have put another program there since (env, a wrapper): that one is not ours to replace.
case $before in
  /*/"$name") ;;
  *) before='' ;;
esac
if [ -n "$to" ]; then place=$to/$name; else place=${before:-$usual}; fi
program=$destdir$place

# Does what it is given, or says it.
run() {
  if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}

# put FILE PLACE MODE: a copy of FILE, renamed into place so that a program that runs keeps the one it has.
put() {
  if cmp -s -- "$1" "$2"; then return 0; fi
  changed=yes
  if [ -n "$dry" ]; then
    say "would write: $2"
    return 0
  fi
  mkdir -p -- "$(dirname -- "$2")"
  cp -- "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f -- "$2.new" "$2"
  say "wrote $2"
}

# put_unit: the unit, with the place where the program is.
put_unit() {
  draft=$(mktemp)
  if [ "$place" = "$usual" ]; then cp -- "$here/$unit_source" "$draft"; else sed "s#$written#$place#g" "$here/$unit_source" >"$draft"; fi
  put "$draft" "$unit" 644
  rm -f -- "$draft"
}

# The folder of the program must be one that can be written to, and from which a program may be run: /usr may be read-only, and
# homes are mounted noexec in places.
check_place() {
  at=$(dirname -- "$program")
  while [ ! -d "$at" ]; do at=$(dirname -- "$at"); done
  [ -w "$at" ] || die "$at cannot be written to: --to names another folder for the program"
  [ -z "$dry" ] || return 0
  trial=$(mktemp "$at/.$name.XXXXXX") || die "$at cannot be written to: --to names another folder for the program"
  printf '#!/bin/sh\n' >"$trial"
  chmod 700 "$trial"
  if "$trial" 2>/dev/null; then rm -f -- "$trial"; else
    rm -f -- "$trial"
    die "no program may be run from $at (a noexec mount): --to names another folder for it"
  fi
}

# Processes that run the program, without what they started themselves.
running() {
  for each in /proc/[0-9]*; do
    words=$(tr '\0' '\n' 2>/dev/null <"$each/cmdline") || continue
    if printf '%s\n' "$words" | grep -qxF -- "$place" && ! printf '%s\n' "$words" | grep -qx nvml-reader; then
      printf '%s\n' "${each#/proc/}"
    fi
  done
}

# setting NAME VALUE: one line of the settings file; all others stay. A token may be among them: nobody else is to read it, and
# systemd reads it before it becomes the service's user.
setting() {
  draft=$(mktemp)
  { [ ! -e "$env_file" ] || grep -v "^$1=" "$env_file" || :; } >"$draft"
  printf '%s=%s\n' "$1" "$2" >>"$draft"
  put "$draft" "$env_file" 600
  rm -f -- "$draft"
}

# Nothing of this machine is to change but files below DESTDIR.
live() { [ -z "$destdir" ]; }

control() {
  if [ "$scope" = user ]; then run systemctl --user "$@"; else run systemctl "$@"; fi
}

# Whether systemd runs here, and for this user.
has_systemd() {
  [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1 || return 1
  [ "$scope" = system ] || systemctl --user show-environment >/dev/null 2>&1
}

find_agent() {
  if [ -n "$file" ]; then
    [ -f "$file" ] || die "there is no file \"$file\" (--file)"
    case $file in */*) ;; *) file=./$file ;; esac
    return 0
  fi
  for file in "$here/hmonitor" "$here/hmonitor-linux-$arch" "$here/../dist/hmonitor-linux-$arch" "$here/../dist/hmonitor"; do
    [ ! -f "$file" ] || return 0
  done
  die "there is no agent beside this script or in ../dist: \`npm run build\` makes it, --file names another"
}

# A script needs Node where services look for it; what is no agent for this machine is told before anything is written.
check_agent() {
  node_path=''
  if [ "$(head -c 2 -- "$file")" = '#!' ]; then
    node=$(command -v node) || die "$file needs Node 18 or later, and there is no node here: take hmonitor-linux-$arch, which needs none"
    major=$("$node" -p 'process.versions.node.split(".")[0]') || die "$node does not run"
    [ "$major" -ge 18 ] || die "$file needs Node 18 or later, and $node is $("$node" --version): take hmonitor-linux-$arch, which needs none"
    case $(dirname -- "$node") in
      /usr/local/bin | /usr/bin | /bin) ;;
      *)
        # A package or an image is for another machine than this one.
        if [ "$scope" = user ]; then node_path=$(dirname -- "$node"):/usr/local/bin:/usr/bin:/bin
        elif live; then die "$file needs Node in /usr/local/bin or /usr/bin, where services find it, and here it is $node: link it there, or take hmonitor-linux-$arch, which needs none"
        fi
        ;;
    esac
    version=$("$node" "$file" --version 2>&1) || die "$file does not run here: $version"
  else
    [ -x "$file" ] || die "$file is not executable: chmod +x $file"
    version=$("$file" --version 2>&1) || die "$file does not run here: $version"
  fi
  case $version in
    "hmonitor "*) ;;
    *) die "$file is not hmonitor: it calls itself \"$version\"" ;;
  esac
}

check_settings() {
  if [ -z "$allow$server" ] && ! grep -Eqs '^GOHM_(ALLOW|SERVER)=.' "$env_file"; then
    die "who may ask this machine? Give the hub's address: --allow 10.0.0.5 (or a network, 10.0.0.0/24; several with commas)"
  fi
  case $server in
    '' | http://?* | https://?*) ;;
    *) die "--server takes an address such as https://hub.lab, not \"$server\"" ;;
  esac
  case $server in
    *[[:space:]]*) die "--server takes an address such as https://hub.lab, not \"$server\"" ;;
  esac
  case $allow in
    *[!0-9a-fA-F.:/,]*) die "--allow takes addresses and networks, separated by commas, not \"$allow\"" ;;
  esac
  case $addr in
    '' | *:[0-9]*) ;;
    *) die "--addr takes an address and a port such as 0.0.0.0:9203, not \"$addr\"" ;;
  esac
}

# The service's user, who may do nothing.
make_user() {
  if getent passwd "$name" >/dev/null; then return 0; fi
  command -v useradd >/dev/null 2>&1 || die "there is no useradd here: make a system user \"$name\" first"
  run useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$name"
}

# How to start it where no systemd does: as its user, with its settings and the folders that its unit would give it.
by_hand() {
  command="$place"
  vars="\$(grep '^[A-Z]' $env_file)"
  if [ "$part" = hub ]; then
    command="$place/bin/node $place/dist/gohm.mjs"
    vars="GOHM_SETTINGS=$config/settings.json GOHM_DATA=/var/lib/gohm"
  elif [ "$scope" = system ]; then
    vars="PATH=/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/var/cache/$name STATE_DIRECTORY=/var/lib/$name $vars"
  fi
  if [ "$scope" = system ]; then
    run install -d -m 700 -o "$name" -g "$name" "/var/cache/$name" "/var/lib/$name"
    command="su -s /bin/sh -c 'exec $command' $name"
    table="a file /etc/cron.d/$name with"
    user='root '
  else
    table="crontab -e and"
    user=''
  fi
  say "There is no systemd here that could keep it running. To start it:"
  say "  env $vars $command"
  say "With each start of the machine, by $table this line:"
  say "  @reboot ${user}env $vars $command"
  old=$(running | tr '\n' ' ')
  [ -z "$old" ] || say "What runs now is what was here before, until you end it: kill ${old% }"
}

# Starts the service, or says in words how to.
start_service() {
  if ! live; then
    say "DESTDIR is set: no user was made and nothing was started."
    [ "$scope" = user ] || say "On the machine: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin $name && systemctl enable --now $name"
    return 0
  fi
  if ! has_systemd; then
    by_hand
    return 0
  fi
  control daemon-reload
  if [ -z "$start" ]; then
    say "Installed, not started: systemctl enable --now $name"
    return 0
  fi
  control enable --quiet "$name"
  # Started already and nothing new: nobody is to lose a connection over it.
  since=$(date +%s)
  if [ -n "$changed" ]; then control restart "$name"; else control start "$name"; fi
  started=yes
  if [ "$scope" = user ]; then
    say "It runs while you are logged in; for always: loginctl enable-linger $(id -un)"
  fi
}

# Number of the service's process; 0 when it has ended, also while systemd waits to start it again.
main_pid() {
  main=$(control show --property=MainPID "$name")
  printf '%s\n' "${main#MainPID=}"
}

# Asks the agent itself, with its settings, whether it is at work; says what it answers.
ask() (
  lines=$(mktemp)
  grep -E '^[A-Z_][A-Z0-9_]*=' "$env_file" >"$lines" || :
  while IFS='=' read -r key value; do
    # As systemd reads them.
    case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
    export "$key=$value"
  done <"$lines"
  rm -f -- "$lines"
  exec "$program" health 2>&1
)

# An agent that answers nowhere, or nobody knows where, can only be seen to run; so can the hub, which may have much to read first.
mute() {
  [ "$part" = hub ] || grep -Eqs '^GOHM_SERVER=.|^GOHM_ADDR=.*:0$' "$env_file"
}

# What the service has said since it was started.
its_log() {
  if [ "$scope" = user ]; then set -- --user "$@"; fi
  journalctl "$@" --unit="$name" --since="@$since" --lines=20 --output=cat --no-pager 2>/dev/null || :
}

# broken WHAT: it is installed and does not work.
broken() {
  again="systemctl restart $name"
  if [ "$scope" = user ]; then again="systemctl --user restart $name"; fi
  log=$(its_log)
  die "$1. Its log:
${log:-nothing that may be read here: systemctl status $name tells more}
Once that is put right: $again"
}

# systemd has started it, which says nothing of whether it goes on running. Waits until it answers, or has ended, or 30 s have passed.
see_it_run() {
  [ -n "$started" ] && [ -z "$dry" ] || return 0
  first=$(main_pid)
  tries=0
  while [ "$(($(date +%s) - since))" -lt 30 ]; do
    sleep 1
    tries=$((tries + 1))
    if [ "$first" = 0 ] || [ "$(main_pid)" != "$first" ]; then broken "$name was started and has ended"; fi
    if mute; then
      if [ "$tries" -ge 5 ]; then return 0; fi
    elif answer=$(ask); then
      # Another program may have answered in its place, at which it ends.
      sleep 1
      [ "$(main_pid)" = "$first" ] || broken "$name was started and has ended"
      say "$answer"
      return 0
    fi
  done
  broken "$name runs, but 30 s after its start: $answer"
}

# Removes the program from where an earlier run put it.
leave_before() {
  if [ -n "$before" ] && [ "$before" != "$place" ]; then
    run rm -rf -- "$destdir$before"
    [ -n "$dry" ] || say "removed $before, where an earlier run put it"
  fi
}

install_agent() {
  find_agent
  check_agent
  check_settings
  check_place
  if [ "$scope" = system ] && live; then make_user; fi
  put "$file" "$program" 755
  put_unit
  [ -z "$allow" ] || setting GOHM_ALLOW "$allow"
  [ -z "$addr" ] || setting GOHM_ADDR "$addr"
  [ -z "$server" ] || setting GOHM_SERVER "$server"
  [ -z "$node_path" ] || setting PATH "$node_path"
  start_service
  leave_before
  [ -n "$dry" ] || say "$version is installed as $program; its settings are in $env_file"
  see_it_run
}

# put_tree FOLDER PLACE: every file of a folder.
put_tree() {
  list=$(mktemp)
  (cd -- "$1" && find . -type f) >"$list"
  while IFS= read -r each; do put "$1/${each#./}" "$2/${each#./}" 644; done <"$list"
  rm -f -- "$list"
}

# put_command: gohm for the shell, with the settings and the data folder of the service.
put_command() {
  draft=$(mktemp)
  printf 'GOHM_SETTINGS=/etc/gohm/settings.json\nGOHM_DATA=/var/lib/gohm\n' >"$draft"
  put "$draft" "$program/gohm.env" 644
  cat >"$draft" <<TEXT
#!/bin/sh
# Runs gohm with the settings of its service: those of the environment first, then those of /etc/gohm/gohm.env.
settings=/etc/gohm/gohm.env
[ -r "\$settings" ] || settings=/dev/null
exec $place/bin/node --env-file=$place/gohm.env --env-file="\$settings" $place/dist/gohm "\$@"
TEXT
  put "$draft" "$program/bin/gohm" 755
  rm -f -- "$draft"
  link=$destdir/usr/local/bin/gohm
  target=$(readlink -- "$link" || :)
  if [ "$target" = "$place/bin/gohm" ]; then return 0; fi
  if [ -e "$link" ] && [ "$target" != "$before/bin/gohm" ]; then
    say "$link is another program and stays; gohm is $place/bin/gohm"
  elif [ -n "$dry" ] || mkdir -p -- "$destdir/usr/local/bin" 2>/dev/null && [ -w "$destdir/usr/local/bin" ]; then
    run ln -sfn -- "$place/bin/gohm" "$link"
  else
    say "/usr/local/bin cannot be written to; gohm is $place/bin/gohm"
  fi
}

install_hub() {
  top=$(CDPATH='' cd -- "$here/.." && pwd)
  sqlite=$top/node_modules/better-sqlite3
  node=$top/node_modules/node-linux-$arch/bin/node
  for needed in "$top/dist/gohm" "$top/dist/gohm.mjs" "$top/dist/web/index.html" "$sqlite/package.json" "$node" "$sqlite/prebuilds/linux-$arch.node"; do
    [ -f "$needed" ] || die "there is no $needed: run \`npm ci && npm run build\` in $top first"
  done
  check_place
  if live; then make_user; fi
  put "$node" "$program/bin/node" 755
  put "$top/node_modules/node-linux-$arch/LICENSE" "$program/bin/node.LICENSE" 644
  # What the page was made of before has other names, and would stay for ever.
  [ ! -d "$program/dist/web" ] || cmp -s -- "$top/dist/web/index.html" "$program/dist/web/index.html" || run rm -r -- "$program/dist/web"
  put "$top/dist/gohm" "$program/dist/gohm" 755
  put "$top/dist/gohm.mjs" "$program/dist/gohm.mjs" 644
  put "$top/dist/gohm.licenses.txt" "$program/dist/gohm.licenses.txt" 644
  put_tree "$top/dist/web" "$program/dist/web"
  put "$sqlite/package.json" "$program/node_modules/better-sqlite3/package.json" 644
  put_tree "$sqlite/lib" "$program/node_modules/better-sqlite3/lib"
  put "$sqlite/prebuilds/linux-$arch.node" "$program/node_modules/better-sqlite3/prebuilds/linux-$arch.node" 644
  put_command
  put_unit
  [ -e "$config/settings.json" ] || put "$top/settings.example.json" "$config/settings.json" 644
  start_service
  leave_before
  [ -n "$dry" ] || say "The hub is installed in $program; name the machines in $config/settings.json"
  see_it_run
}

uninstall() {
  if live && has_systemd && [ -e "$unit" ]; then control disable --now --quiet "$name" || :; fi
  if live && ! has_systemd; then
    old=$(running | tr '\n' ' ')
    [ -z "$old" ] || say "It still runs, and is to be ended: kill ${old% }"
  fi
  if [ "$part" = hub ] && [ "$(readlink -- "$destdir/usr/local/bin/gohm" || :)" = "$place/bin/gohm" ]; then
    run rm -f -- "$destdir/usr/local/bin/gohm"
  fi
  run rm -rf -- "$program" "$unit"
  if live && has_systemd; then control daemon-reload; fi
  if [ -z "$purge" ]; then
    [ ! -d "$config" ] || say "Settings stay in $config; --purge takes them, too."
    return 0
  fi
  run rm -rf -- "$config"
  if [ "$scope" = system ]; then
    run rm -rf -- "$destdir/var/cache/$name" "$destdir/var/lib/$name"
    if live && getent passwd "$name" >/dev/null; then run userdel "$name"; fi
  fi
}

case $action$part in
  uninstall*) uninstall ;;
  *hub) install_hub ;;
  *) install_agent ;;
esac
