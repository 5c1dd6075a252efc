# shellcheck shell=bash
# Shared by the installers of this folder; source it, do not run it.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # read by the installers
TOOLS=${ONTUNE_TOOLS:-$ROOT/.tools}
# A machine has one such Slurm, whichever checkout started it: the next one must find it, and be able to stop it, when that checkout is gone.
# shellcheck disable=SC2034
STATE=${STATE:-/var/lib/ontune-slurm}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() { say "$*"; exit 1; }

# needs_root WHY: the installers change the system's packages, and say so before they touch anything.
needs_root() { [ "$(id -u)" = 0 ] || fail "$1 needs root: run it with sudo, or ask your administrator"; }

# install_packages NAME...: with the system's package manager, and only what is missing.
install_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    needs_root "installing ${missing[*]}"
    say "installing ${missing[*]}"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
    has_lists && "${install[@]}" >&2 2>/dev/null && return
    # Lists that are missing or out of date are the common reason.
    { apt-get update -qq && "${install[@]}"; } >&2 || fail "apt-get could not install ${missing[*]}"
}

# ensure_command NAME: from the system's package of the same name; one that is there is left alone.
ensure_command() {
    if command -v "$1" >/dev/null; then
        say "already there: $(command -v "$1")"
        return
    fi
    command -v apt-get >/dev/null || fail "no apt-get here: install $1 as your distribution does"
    install_packages "$1"
}

has_lists() { [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -print -quit)" ]; }

# archive_sources [VENDOR]: one line "URI SUITE KEYRING" for each archive of VENDOR (this machine's distribution where none is named) that the user's own
# apt configuration has, its main suite first; SUITE is of this machine's release. Mirrors, proxies and keys are the user's affair: none of them is
# written in this project. A site's mirror (ONTUNE_DEBIAN_MIRROR, ONTUNE_UBUNTU_MIRROR) stands for all archives of its vendor.
archive_sources() {
    local id codename vendor mirror
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && echo "$ID")
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    vendor=${1:-$id}
    mirror=ONTUNE_${vendor^^}_MIRROR
    if [ -n "${!mirror:-}" ]; then
        printf '%s %s %s\n' "${!mirror}" "$codename" "/usr/share/keyrings/$vendor-archive-keyring.gpg"
        # The images of Ubuntu are made with the updates of its release, which lie in the same archive.
        [ "$vendor" != ubuntu ] || printf '%s %s %s\n' "${!mirror}" "$codename-updates" "/usr/share/keyrings/$vendor-archive-keyring.gpg"
        return
    fi
    [ "$vendor" = "$id" ] || return 0
    has_lists || apt-get update -qq >&2
    apt-get indextargets --format "\$(ORIGIN)|\$(COMPONENT)|\$(RELEASE)|\$(REPO_URI)|\$(SOURCESENTRY)" 'Created-By: Packages' |
        awk -F'|' -v id="$id" 'tolower($1) == id && $2 == "main" && !seen[$3 $4]++ { print length($3), $4, $3, $5 }' |
        sort -n | while read -r _ uri suite entry; do
            [[ $suite = "$codename"* ]] && printf '%s %s %s\n' "$uri" "$suite" "$(signed_by "${entry%:*}" "$uri" "$id")"
        done
}

# suite_sources SUITE [VENDOR]: an apt source for each archive of VENDOR as archive_sources names them, for its release SUITE instead.
suite_sources() {
    local here uri archive keyring components=main
    [[ $1 =~ ^[a-z]+$ ]] || fail "$1: not a suite; expected a release's code name such as bookworm"
    command -v apt-get >/dev/null || fail "the packages of $1 are had by apt, and it is not here"
    # shellcheck source=/dev/null
    here=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck source=/dev/null
    [ "${2:-$(. /etc/os-release && echo "$ID")}" != ubuntu ] || components="main universe" # where Ubuntu keeps most of what Debian has in main
    archive_sources "${@:2}" | while read -r uri archive keyring; do
        echo "deb [signed-by=$keyring] $uri ${archive/$here/$1} $components"
    done
}

# apt_of SUITE SCRATCH: lay out an apt of the suite in the folder SCRATCH, which knows of no installed package and none of the machine's preferences,
# and name its configuration in APT_CONFIG. How this machine's apt reaches its archives (proxies, certificates, passwords) holds for it too. Code names
# of releases are nobody else's, so the suite is of the first distribution whose archives have it: this machine's, or one that a site has a mirror of.
apt_of() {
    local scratch=$2 vendor known=()
    mkdir -p "$scratch/lists" "$scratch/cache" "$scratch/parts"
    : >"$scratch/status"
    # shellcheck source=/dev/null
    for vendor in "$(. /etc/os-release && echo "$ID")" debian ubuntu; do
        [[ " ${known[*]} " != *" $vendor "* ]] || continue
        suite_sources "$1" "$vendor" >"$scratch/$vendor.list"
        [ ! -s "$scratch/$vendor.list" ] || known+=("$vendor")
    done
    cat >"$scratch/apt.conf" <<END
Dir::Etc::SourceList "$scratch/sources.list";
Dir::Etc::SourceParts "$scratch/parts";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$scratch/parts";
Dir::State::Lists "$scratch/lists";
Dir::State::status "$scratch/status";
Dir::Cache "$scratch/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
END
    export APT_CONFIG=$scratch/apt.conf
    for vendor in "${known[@]}"; do
        cp "$scratch/$vendor.list" "$scratch/sources.list"
        # An archive that does not answer is a failure too: what it alone has, such as security updates, would be missed in silence.
        ! apt-get update -qq -o APT::Update::Error-Mode=any >"$scratch/said" 2>&1 || return 0
        grep '^E:' "$scratch/said" | head -n 4 >&2
    done
    say "no archive that is reached from here has the packages of $1; asked those of: ${known[*]:-no distribution}"
    fail "the archives of another distribution are those of a site: packages.debian_mirror or packages.ubuntu_mirror, with its keyring in /usr/share/keyrings"
}

# signed_by FILE URI VENDOR: the keyring that the apt sources FILE names for URI, else the vendor's own.
signed_by() {
    local key
    key=$(awk -v RS= -v uri="${2%/}" 'index($0, uri) && match($0, /[Ss]igned-[Bb]y[:=] *\/[^] \n]+/) {
        key = substr($0, RSTART, RLENGTH); sub(/^[^\/]*/, "", key); print key; exit }' "$1" 2>/dev/null)
    printf '%s' "${key:-/usr/share/keyrings/$3-archive-keyring.gpg}"
}
