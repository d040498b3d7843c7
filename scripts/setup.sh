#!/usr/bin/env bash
# Makes the virtual environment on a machine that may have only git, make and python3.
#
#   scripts/setup.sh [--dev] VENV
#
# --dev adds the requirements of tests and linters. PYTHON names the interpreter (default: the first
# of python3, python3.13 … that is new enough). A system package is installed only if its program or
# header is missing, so that a machine that has them from elsewhere, or a user without root, needs no
# apt. With DJANGO=4.2, --dev takes that Django, and the tests' requirements only.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
oldest=3.11
ca_bundle=/etc/ssl/certs/ca-certificates.crt

say() { printf 'setup: %s\n' "$*"; }
fail() { # fail REASON NEXT-STEP
  printf 'setup: %s\n       next: %s\n' "$1" "$2" >&2
  exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { # runs a command; shows its output only if it fails
  "$@" >"$log" 2>&1 </dev/null || { tail -n 40 "$log" >&2; return 1; }
}

has() { command -v "$1" >/dev/null 2>&1; }

extra=
if [ "${1-}" = --dev ]; then
  # The linters need the stubs of one Django.
  [ -n "${DJANGO-}" ] && extra='[test]' || extra='[dev]'
  shift
fi
[ $# = 1 ] || fail "it takes one argument, the directory of the virtual environment" "make setup"
case $1 in
  /*) venv=$1 ;;
  *) venv=$PWD/$1 ;;
esac

# ------------------------------------------------------------------ system packages

packages=()
need() { # need PACKAGE REASON
  packages+=("$1")
  say "missing: $1 ($2)"
}

available() { # whether apt knows a version of the package
  [ -n "$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '^(none)$')" ]
}

# sudo must not wait for a password without a terminal.
may_sudo() { has sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    # sudo empties the environment, and apt may need the proxy that stands there. By name, not as
    # `env http_proxy=…`: a proxy's address can hold a password.
    sudo ${http_proxy:+--preserve-env=http_proxy} ${https_proxy:+--preserve-env=https_proxy} "$@"
  fi
}

apt_get() { # waits for another apt instead of failing
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

install_packages() {
  [ ${#packages[@]} -gt 0 ] || return 0
  local line="apt-get install -y --no-install-recommends ${packages[*]}" name
  has apt-get || fail "this machine has no apt-get to install system packages" \
    "install what these Debian packages contain, then run make again: ${packages[*]}"
  [ "$(id -u)" = 0 ] || may_sudo || fail "installing system packages needs root, and sudo does not work here" \
    "as root: apt-get update && $line"
  for name in "${packages[@]}"; do
    if ! available "$name"; then
      say "running apt-get update ($name is not in its lists)"
      quietly apt_get update || fail "apt-get update failed" "correct the machine's apt sources, then run make again"
      break
    fi
  done
  say "running $line"
  if ! quietly apt_get install -y --no-install-recommends "${packages[@]}"; then
    # Old lists name versions that the mirror no longer has.
    say "that failed; trying again after apt-get update"
    { quietly apt_get update && quietly apt_get install -y --no-install-recommends "${packages[@]}"; } ||
      fail "apt-get could not install them" "as root: apt-get update && $line"
  fi
  packages=()
}

first_available() { # the first of the names that apt knows, or the first
  local name
  for name in "$@"; do
    if has apt-cache && available "$name"; then
      echo "$name"
      return
    fi
  done
  echo "$1"
}

# ------------------------------------------------------------------ programs and headers

new_enough() {
  "$1" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$oldest'.split('.'))))" \
    >/dev/null 2>&1
}

find_python() {
  local name
  if [ -n "${PYTHON-}" ]; then
    has "$PYTHON" || fail "PYTHON=$PYTHON is no program" "leave PYTHON out, or give the path of a Python $oldest+"
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON is older than $oldest" "give the path of a newer one"
    python=$PYTHON
    return 0
  fi
  for name in python3 python3.13 python3.12 python3.11 python3.14; do
    if has "$name" && new_enough "$name"; then
      python=$name
      return 0
    fi
  done
  return 1
}

install_python() { # an older Debian or Ubuntu may have a second, newer Python
  local name
  name=$(first_available python3.13 python3.12 python3.11)
  need "$name" "python3 is missing or older than $oldest"
  install_packages
  find_python || fail "there is still no Python $oldest or newer" "install one and run: make setup PYTHON=/path/to/python"
}

py() { "$python" -c "$1" 2>/dev/null; }
python_version() { py 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# mysqlclient has no Linux wheels: it is compiled, unless the environment has it already.
has_mysqlclient() { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import MySQLdb' 2>/dev/null; }

need_build_tools() {
  local header name found=
  header=$(py 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
  has cc || has gcc || need gcc "compiles mysqlclient"
  # `gcc` only recommends the C library's headers, and recommendations are not installed here.
  [ -e /usr/include/stdio.h ] || need libc6-dev "the C headers mysqlclient is compiled with"
  [ -e "$header" ] || need "python$(python_version)-dev" "the Python headers mysqlclient is compiled with"
  if has pkg-config; then
    for name in mysqlclient mariadb libmariadb perconaserverclient; do
      if pkg-config --exists "$name"; then found=$name; fi
    done
  else
    need pkg-config "finds the client library for mysqlclient"
    # Without pkg-config, look for the library's own file.
    if [ -n "$(find /usr/lib -name libmariadb.pc -o -name mysqlclient.pc 2>/dev/null)" ]; then found=file; fi
  fi
  [ -n "$found" ] || need libmariadb-dev "the MariaDB client library that mysqlclient is built on"
}

# Debian installs servers in /usr/sbin, which is not on every user's PATH.
has_program() { PATH=$PATH:/usr/sbin:/usr/local/sbin has "$1"; }

need_server() {
  # The *-core packages hold the programs only: no service is started, no system user made.
  # Debian 11 and Ubuntu 22.04 have their version in the packages' names.
  has_program mariadbd ||
    need "$(first_available mariadb-server-core mariadb-server-core-10.6 mariadb-server-core-10.5)" \
      "mariadbd, the embedded server"
  has_program mariadb-install-db ||
    case " ${packages[*]-} " in
      *mariadb-server-core*) ;;
      *) need mariadb-server "mariadb-install-db, which prepares the embedded server's data" ;;
    esac
  # mariadb-install-db asks my_print_defaults, which comes with the client.
  has_program my_print_defaults ||
    need "$(first_available mariadb-client-core mariadb-client-core-10.6 mariadb-client-core-10.5)" \
      "my_print_defaults, which mariadb-install-db calls"
}

# The tests open the report in it, and are skipped without it: no reason to fail.
want_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if has "$name"; then return; fi
  done
  need chromium "the tests open the report in it"
  (install_packages) || say "without Chromium the tests of the report in a browser are skipped"
  packages=()
}

# ------------------------------------------------------------------ the environment

has_pip() { "$venv/bin/python" -c 'import pip' 2>/dev/null; }

make_venv() {
  local again="remove that directory, or give another (make setup VENV=…), and run make again"
  if "$venv/bin/python" -c '' 2>/dev/null; then
    new_enough "$venv/bin/python" || fail "$venv holds a Python older than $oldest" "$again"
    # Some tools make environments without pip, and an interrupted run leaves one without.
    has_pip || quietly "$venv/bin/python" -m ensurepip || true
  else
    say "making the virtual environment $venv with $("$python" --version 2>&1)"
    quietly "$python" -m venv "$venv" || fail "$python could not make $venv" "$again"
  fi
  has_pip || fail "$venv has no pip, and ensurepip cannot install it" "$again"
}

# pip has certificates of its own, without the authority of a company's proxy; the machine's store
# has it. The user's settings for pip take precedence. SSL_CERT_FILE is such a setting too, but older
# versions of pip ignore it.
use_machine_certificates() {
  local bundle=${SSL_CERT_FILE:-$ca_bundle}
  [ -z "${PIP_CERT-}${REQUESTS_CA_BUNDLE-}${CURL_CA_BUNDLE-}" ] || return 0
  [ -r "$bundle" ] || return 0
  "$venv/bin/python" -m pip config list 2>/dev/null | grep -Eq '^(global|install)\.cert=' && return 0
  export PIP_CERT=$bundle
}

install_project() {
  say "installing fixturepipe$extra and what it needs into $venv"
  local reason
  cd "$project"
  if quietly "$venv/bin/python" -m pip --disable-pip-version-check install --editable ".$extra" \
    ${DJANGO:+"Django==$DJANGO.*"}; then
    # pip does not compile an editable installation; if Python is set to write no bytecode, each
    # command would then take 0.2 s longer.
    "$venv/bin/python" -m compileall -q fixturepipe
    return 0
  fi
  reason=$(grep -m 1 -E '^ *(ERROR|error):' "$log" || tail -n 1 "$log")
  fail "pip could not install into $venv: $reason" \
    "correct that (behind a proxy: https_proxy, or pip's own index and cert settings), then run make again"
}

find_python || install_python
[ -x "$venv/bin/python" ] || py 'import ensurepip, venv' || {
  need "python$(python_version)-venv" "makes the virtual environment: this Python comes without ensurepip"
}
has_mysqlclient || need_build_tools
# With a server as target, the embedded one is not needed.
case "${FIXTUREPIPE_TARGET-}" in
  '' | embedded) need_server ;;
esac
if has apt-get && [ ! -e "$ca_bundle" ]; then
  need ca-certificates "the certificates that pip checks the package index with"
fi
install_packages
[ -z "$extra" ] || want_browser

make_venv
use_machine_certificates
install_project
has_mysqlclient || fail "mysqlclient is installed but does not load: $("$venv/bin/python" -c 'import MySQLdb' 2>&1 | tail -n 1)" \
  "remove $venv and run make again"
say "ready: $venv"
