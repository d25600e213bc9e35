# Shared by the scripts: where things are, and how what is missing gets installed. Sourced by bash.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
release=$top/.build-release/release
tools_directory=${XDG_CACHE_HOME:-$HOME/.cache}/relais-tools

programs="smtpd sendmail-compat queue-runner remote-deliver local-deliver pop3d imapd charset-decode mxlookup checkpassword tls-relay"

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# need PACKAGE:PROGRAM-OR-FILE ... installs the packages whose program or file (a path, * for what changes with versions) is not
# there: as root with apt-get, else unpacked into a directory of one's own.
need() {
    local missing=() item package probe
    use_unpacked
    for item in "$@"; do
        package=${item%%:*} probe=${item#*:}
        if [[ $probe == /* ]]; then
            compgen -G "$probe" >/dev/null || compgen -G "$tools_directory$probe" >/dev/null || missing+=("$package")
        else
            command -v "$probe" >/dev/null || missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then install_packages "${missing[@]}"; else unpack_packages "${missing[@]}"; fi
}

# Debian starts what it installs; a test machine must not.
install_packages() {
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=1; fi
    export DEBIAN_FRONTEND=noninteractive
    local output status
    output=$(mktemp)
    patiently apt-get update -qq && patiently apt-get install -y --no-install-recommends "$@" 2>&1 </dev/null | tee "$output" |
        grep --line-buffered -E '^(Get:|Setting up)' | sed -u 's/^/   /'
    status=${PIPESTATUS[0]}
    [ -n "$made" ] && rm -f $policy
    [ "$status" -eq 0 ] || { tail -20 "$output" >&2; die "apt-get could not install $*"; }
    rm -f "$output"
}

# Once more while another apt-get holds a lock: its own option, DPkg::Lock::Timeout, does not wait for the one of update.
patiently() {
    local said status try
    said=$(mktemp)
    for try in {1..150}; do
        "$@" 2>&1 | tee "$said"
        status=${PIPESTATUS[0]}
        [ "$status" -ne 0 ] && grep -q '^E: Could not get lock' "$said" || break
        sleep 2
    done
    rm -f "$said"
    return "$status"
}

unpack_packages() {
    mkdir -p "$tools_directory/deb" && cd "$tools_directory/deb" || die "cannot write to $tools_directory"
    local all
    all=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$@" 2>/dev/null | grep '^[a-z0-9]' | sort -u)
    local package
    for package in $all; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
        echo "   $package"
        apt-get download -qq "$package" 2>/dev/null
    done
    for package in *.deb; do [ -e "$package" ] && dpkg -x "$package" "$tools_directory"; done
    rm -f ./*.deb
    cd "$top" || exit 1
    use_unpacked
}

use_unpacked() {
    export PATH="$PATH:/usr/sbin:/sbin"
    [ -d "$tools_directory/usr" ] || return 0
    local arch; arch=$(uname -m)-linux-gnu
    export PATH="$PATH:$tools_directory/usr/bin:$tools_directory/usr/sbin:$tools_directory/bin:$tools_directory/sbin"
    export LD_LIBRARY_PATH="$tools_directory/usr/lib/$arch:$tools_directory/lib/$arch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export CPATH="$tools_directory/usr/include:$tools_directory/usr/include/$arch${CPATH:+:$CPATH}"
    export LIBRARY_PATH="$tools_directory/usr/lib/$arch${LIBRARY_PATH:+:$LIBRARY_PATH}"
    export PKG_CONFIG_PATH="$tools_directory/usr/lib/$arch/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
}

# What building takes.
need_libraries() {
    type -P swift >/dev/null || die "a Swift 6.3 toolchain is needed: https://www.swift.org/install"
    local arch; arch=$(uname -m)-linux-gnu
    need libssl-dev:/usr/include/openssl/ssl.h "libcrypt-dev:/usr/lib/$arch/libcrypt.a"
}

# What running a private instance takes.
need_instance() { need openbsd-inetd:inetd nsd:nsd openssl:openssl python3:python3; }

# The driver inside `swift build` leaves a directory a module where temporary files are: that is not /tmp here. Not a new place each
# time, as the lock lies there that keeps two builds apart.
swift() {
    local place=$top/.build-temporary
    mkdir -p "$place" && find "$place" -maxdepth 1 -name 'TemporaryDirectory.*' -mmin +60 -exec rm -rf {} +
    TMPDIR=$place command swift "$@"
}

# The compiler keeps an object whose source is the same, whatever it was compiled with: a build directory that was made by another
# manifest or another toolchain goes.
same_flags() {
    local directory=$1 flags
    flags=$( (cat "$top/Package.swift"; swift --version; echo "${RELAIS_WHOLE_RUNTIME:-}") 2>/dev/null | cksum)
    [ "$(cat "$directory/flags" 2>/dev/null)" = "$flags" ] || rm -rf "$directory"
    mkdir -p "$directory" && echo "$flags" >"$directory/flags"
}

# Release tools: one file each that runs anywhere; links fully static by itself (charset-decode: the system's libc).
build_release() {
    say "building the release tools"
    same_flags "$top/.build-release"
    (cd "$top" && swift build -c release --scratch-path .build-release 2>&1 |
        grep -v 'Using .* in statically linked applications' | grep -vE '^/.*warning: *$' | show_progress) || die "the build failed"
    for program in $programs; do [ -x "$release/$program" ] || die "the build made no $program"; done
}

# On a terminal the last line only, else a line now and then; errors always.
show_progress() { grep -E --line-buffered 'error|warning: unre|\[[0-9]*0/|Build complete|Linking' | sed -u 's/^/   /'; return "${PIPESTATUS[0]}"; }

# Runs a command as an ordinary user: as oneself, or, for root, as a user of the test's own.
as_user() {
    if [ "$(id -u)" != 0 ]; then "$@"; return; fi
    local user=relais-test
    if ! id $user >/dev/null 2>&1; then useradd --create-home --shell /bin/sh $user || die "cannot make the user $user"; fi
    # The checkout must be readable for that user: a private /root is not.
    setpriv --reuid $user --regid $user --clear-groups env HOME=/home/$user USER=$user LOGNAME=$user "$@"
}

# A copy of the release tools and of what runs them, where any user can read it.
public_copy() {
    local copy=/tmp/relais-tools.$$
    rm -rf $copy && mkdir -p $copy/.build-release/release $copy/Tests
    chmod 755 $copy
    cp -r "$top/scripts" "$top/man" "$top/Sources" $copy/ && cp -r "$top/Tests/SystemTests" $copy/Tests/
    (cd "$top" && tar -cf - Tests/DialogFiles Tests/*/Dialogs) | tar -xf - -C $copy
    for program in $programs; do cp "$release/$program" $copy/.build-release/release/; done
    chmod -R a+rX $copy
    echo $copy
}
