# shellcheck shell=bash
# What the scripts share; sourced, never run. Sets: root (the checkout), O (the build folder, absolute).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
me=$(basename "$0")
O=${O:-$root/build}
[[ $O = /* ]] || O=$PWD/$O

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { printf '%s: error: %s\n' "$me" "$*" >&2; exit 1; }
usage_error() { printf '%s: error: %s; try `%s --help`\n' "$me" "$*" "$me" >&2; exit 64; }

# The comment at the top of the calling script, from its second line on, is its help.
help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# need TOOL...: ends the script if one is missing. setup_option is the option of scripts/setup that installs them, if it has one.
need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null ||
			die "$tool is missing: run scripts/setup${setup_option:+ $setup_option} (as root, or with sudo)"
	done
}
