#!/bin/sh
# Installs the agent (or the hub) on this machine from local files, without downloads. Run it again to upgrade in place.
set -eu
# All users may read what is installed, whatever the umask of the user who installs it.
umask 022

usage() {
  cat <<'TEXT'
install.sh: installs the GOHM agent on this machine as a service

  sh install.sh --allow 10.0.0.5          as root: for the whole machine, as a service without special rights
  sh install.sh --user --allow 10.0.0.5   without root: for this user, below the home folder
  sh install.sh --server URL              an agent that sends reports to a hub or portal and has no open port
  sh install.sh --hub                     as root: the hub, from a folder where `npm ci && npm run build` ran
  sh install.sh --uninstall               removes it; settings and the hub's history are kept

  --allow LIST   who may connect to the agent: addresses and networks of the hubs, separated by commas (GOHM_ALLOW)
  --addr ADDR    where the agent listens, such as 0.0.0.0:9203 (GOHM_ADDR)
  --server URL   where the agent reports to, such as https://hub.lab (GOHM_SERVER)
  --file FILE    the agent: hmonitor (requires Node 18) or hmonitor-linux-x64 (requires nothing); default: the one beside
                 this script or in ../dist
  --to FOLDER    where to install the program, instead of /usr/local/bin (--user: ~/.local/bin; --hub: /usr/local/lib);
                 later runs use it too
  --no-start     install, do not start
  --purge        with --uninstall: also remove settings, caches, the hub's history and the service's user
  --dry-run      print what would be done, do nothing

To upgrade, run it again with a newer file: settings are kept. DESTDIR=FOLDER installs below that folder, for packages
and images: then no user is created and nothing is started.
TEXT
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
misused() {
  printf 'install.sh: %s\nsh install.sh --help lists all options.\n' "$*" >&2
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
  *[!a-zA-Z0-9._/+-]*) misused "--to takes a folder whose name has no blanks or special characters, not \"$to\"" ;;
  /*) to=${to%/} ;;
  *) misused "--to takes an absolute path (one that begins with /), not \"$to\"" ;;
esac

# The program in the units of this folder: an agent is one file, the hub a folder.
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
  [ -n "${HOME:-}" ] || die "HOME is not set, so there is no home folder to install into"
  usual=$HOME/.local/bin/hmonitor
  written=%h/.local/bin/hmonitor
  config=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/hmonitor
  unit=$destdir${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/hmonitor.service
  unit_source=systemd/user/hmonitor.service
fi
env_file=$config/$name.env

# Where an earlier run installed the program, according to its unit.
before=''
if [ -f "$unit" ]; then before=$(sed -n -e 's/^ExecStart=\([^ ]*\).*/\1/p' -- "$unit"); fi
case $before in
  %h/*) before=$HOME/${before#%h/} ;;
esac
if [ "$part" = hub ]; then before=${before%/bin/node}; fi
# Somebody may have changed the unit to start another program (env, a wrapper), which must not be replaced.
case $before in
  /*/"$name") ;;
  *) before='' ;;
esac
if [ -n "$to" ]; then place=$to/$name; else place=${before:-$usual}; fi
program=$destdir$place

# run COMMAND...: runs a command, or prints it with --dry-run.
run() {
  if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}

# put FILE PLACE MODE: copies FILE and renames the copy into place, so that a running program keeps its own file.
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

# put_unit: writes the unit, with the path of the program.
put_unit() {
  draft=$(mktemp)
  if [ "$place" = "$usual" ]; then cp -- "$here/$unit_source" "$draft"; else sed "s#$written#$place#g" "$here/$unit_source" >"$draft"; fi
  put "$draft" "$unit" 644
  rm -f -- "$draft"
}

# Checks that the program's folder is writable and allows programs to run: /usr may be read-only, homes may be mounted noexec.
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

# Prints processes that run the program, without their children.
running() {
  for each in /proc/[0-9]*; do
    words=$(tr '\0' '\n' 2>/dev/null <"$each/cmdline") || continue
    if printf '%s\n' "$words" | grep -qxF -- "$place" && ! printf '%s\n' "$words" | grep -qx nvml-reader; then
      printf '%s\n' "${each#/proc/}"
    fi
  done
}

# setting NAME VALUE: sets one line of the settings file and keeps the others. They may contain a token, so only root may read
# the file; systemd reads it before it switches to the service's user.
setting() {
  draft=$(mktemp)
  { [ ! -e "$env_file" ] || grep -v "^$1=" "$env_file" || :; } >"$draft"
  printf '%s=%s\n' "$1" "$2" >>"$draft"
  put "$draft" "$env_file" 600
  rm -f -- "$draft"
}

# False with DESTDIR: then only files below that folder may change.
live() { [ -z "$destdir" ]; }

control() {
  if [ "$scope" = user ]; then run systemctl --user "$@"; else run systemctl "$@"; fi
}

# True if systemd runs here, and for this user.
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
  die "there is no agent beside this script or in ../dist: build it with \`npm run build\`, or name another one with --file"
}

# Checks, before anything is written, that the file is an agent that runs here, and that services find the Node it needs.
check_agent() {
  node_path=''
  if [ "$(head -c 2 -- "$file")" = '#!' ]; then
    node=$(command -v node) || die "$file needs Node 18 or later, and there is no node here: take hmonitor-linux-$arch, which needs none"
    major=$("$node" -p 'process.versions.node.split(".")[0]') || die "$node does not run"
    [ "$major" -ge 18 ] || die "$file needs Node 18 or later, and $node is $("$node" --version): take hmonitor-linux-$arch, which needs none"
    case $(dirname -- "$node") in
      /usr/local/bin | /usr/bin | /bin) ;;
      *)
        # With DESTDIR, a package or image for another machine is built.
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
    die "who may connect to this machine? Give the hub's address: --allow 10.0.0.5 (or a network, 10.0.0.0/24; several with commas)"
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

# Creates the service's user, who has no rights.
make_user() {
  if getent passwd "$name" >/dev/null; then return 0; fi
  command -v useradd >/dev/null 2>&1 || die "there is no useradd here: create a system user \"$name\" first"
  run useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$name"
}

# Prints how to start it without systemd: as its user, with its settings and the folders of its unit.
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
  say "There is no systemd here to run it. To start it:"
  say "  env $vars $command"
  say "To start it at every boot, use $table this line:"
  say "  @reboot ${user}env $vars $command"
  old=$(running | tr '\n' ' ')
  [ -z "$old" ] || say "The earlier version still runs, until you end it: kill ${old% }"
}

# Starts the service, or prints how to.
start_service() {
  if ! live; then
    say "DESTDIR is set: no user was created and nothing was started."
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
  # If nothing is new, start leaves a running service and its connections alone.
  since=$(date +%s)
  if [ -n "$changed" ]; then control restart "$name"; else control start "$name"; fi
  started=yes
  if [ "$scope" = user ]; then
    say "It runs only while you are logged in. To keep it running: loginctl enable-linger $(id -un)"
  fi
}

# Prints the service's process id; 0 if it has ended, also while systemd waits to restart it.
main_pid() {
  main=$(control show --property=MainPID "$name")
  printf '%s\n' "${main#MainPID=}"
}

# Runs `hmonitor health` with the agent's settings, which checks that it answers.
ask() (
  lines=$(mktemp)
  grep -E '^[A-Z_][A-Z0-9_]*=' "$env_file" >"$lines" || :
  while IFS='=' read -r key value; do
    # Removes quotes, as systemd does.
    case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
    export "$key=$value"
  done <"$lines"
  rm -f -- "$lines"
  exec "$program" health 2>&1
)

# True if only the process can be checked: an agent without a port or with an unknown one; and the hub, which may read a long
# history first.
mute() {
  [ "$part" = hub ] || grep -Eqs '^GOHM_SERVER=.|^GOHM_ADDR=.*:0$' "$env_file"
}

# Prints the service's log since its start.
its_log() {
  if [ "$scope" = user ]; then set -- --user "$@"; fi
  journalctl "$@" --unit="$name" --since="@$since" --lines=20 --output=cat --no-pager 2>/dev/null || :
}

# broken WHAT: ends with the reason why the installed service does not work.
broken() {
  again="systemctl restart $name"
  if [ "$scope" = user ]; then again="systemctl --user restart $name"; fi
  log=$(its_log)
  die "$1. Its log:
${log:-not readable for this user; see systemctl status $name}
After the problem is solved: $again"
}

# Waits until the started service answers, has ended, or 30 s have passed.
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
      # Another program on its port may have answered; then the service ends.
      sleep 1
      [ "$(main_pid)" = "$first" ] || broken "$name was started and has ended"
      say "$answer"
      return 0
    fi
  done
  broken "$name runs, but 30 s after its start: $answer"
}

# Removes the program from where an earlier run installed it.
leave_before() {
  if [ -n "$before" ] && [ "$before" != "$place" ]; then
    run rm -rf -- "$destdir$before"
    [ -n "$dry" ] || say "removed $before, which an earlier run installed"
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

# put_tree FOLDER PLACE: copies every file of a folder.
put_tree() {
  list=$(mktemp)
  (cd -- "$1" && find . -type f) >"$list"
  while IFS= read -r each; do put "$1/${each#./}" "$2/${each#./}" 644; done <"$list"
  rm -f -- "$list"
}

# put_command: writes the shell command gohm, with the settings and the data folder of the service.
put_command() {
  draft=$(mktemp)
  printf 'GOHM_SETTINGS=/etc/gohm/settings.json\nGOHM_DATA=/var/lib/gohm\n' >"$draft"
  put "$draft" "$program/gohm.env" 644
  cat >"$draft" <<TEXT
#!/bin/sh
# Runs gohm with the settings of its service. Variables of the environment win over those of /etc/gohm/gohm.env.
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
    say "$link is another program and is kept; gohm is $place/bin/gohm"
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
  # Files of an earlier page have other names and would stay forever.
  [ ! -d "$program/dist/web" ] || cmp -s -- "$top/dist/web/index.html" "$program/dist/web/index.html" || run rm -r -- "$program/dist/web"
  put "$top/dist/gohm" "$program/dist/gohm" 755
  put "$top/dist/gohm.mjs" "$program/dist/gohm.mjs" 644
  put "$top/dist/gohm.licenses.txt" "$program/dist/gohm.licenses.txt" 644
  put_tree "$top/dist/web" "$program/dist/web"
  put "$sqlite/package.json" "$program/node_modules/better-sqlite3/package.json" 644
  koffi=node_modules/@koromix/koffi-linux-$arch/linux_$arch/koffi.node
  [ ! -f "$top/$koffi" ] || put "$top/$koffi" "$program/$koffi" 644
  put_tree "$sqlite/lib" "$program/node_modules/better-sqlite3/lib"
  put "$sqlite/prebuilds/linux-$arch.node" "$program/node_modules/better-sqlite3/prebuilds/linux-$arch.node" 644
  put_command
  put_unit
  [ -e "$config/settings.json" ] || put "$top/settings.example.json" "$config/settings.json" 644
  start_service
  leave_before
  [ -n "$dry" ] || say "The hub is installed in $program; list the machines in $config/settings.json"
  see_it_run
}

uninstall() {
  if live && has_systemd && [ -e "$unit" ]; then control disable --now --quiet "$name" || :; fi
  if live && ! has_systemd; then
    old=$(running | tr '\n' ' ')
    [ -z "$old" ] || say "It still runs; end it with: kill ${old% }"
  fi
  if [ "$part" = hub ] && [ "$(readlink -- "$destdir/usr/local/bin/gohm" || :)" = "$place/bin/gohm" ]; then
    run rm -f -- "$destdir/usr/local/bin/gohm"
  fi
  run rm -rf -- "$program" "$unit"
  if live && has_systemd; then control daemon-reload; fi
  if [ -z "$purge" ]; then
    [ ! -d "$config" ] || say "Settings are kept in $config; --purge removes them too."
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
