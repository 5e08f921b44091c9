# shellcheck shell=bash
# Running an experiment on a VM of scripts/vm: what `make demo` and the benchmarks share.
# Sourced after vmrt.sh. Uses: vm (the VM's name), out (a folder for what comes out).
# shellcheck disable=SC2154 # root, O, vm and out are the sourcing script's

hogs=()

# hogs_start N CPU: N processes that do nothing but run, on one CPU. Each in a session of its own, since
# the kernel's autogroup scheduling gives a session, not a process, its fair share.
hogs_start() {
	local i
	for ((i = 0; i < $1; i++)); do
		setsid taskset -c "$2" sh -c 'while :; do :; done' &
		hogs+=($!)
	done
}

hogs_stop() {
	local pid
	for pid in "${hogs[@]}"; do kill -9 "$pid" 2>/dev/null; done
	hogs=()
	wait 2>/dev/null
	return 0
}

# guest_prepare EXPERIMENT: put the experiment into the guest and measure its speed, once for all runs
guest_prepare() {
	"$root/scripts/vm" put "$vm" "$1" /experiment.ini || return 1
	"$root/scripts/vm" exec "$vm" vmrt-load --calibrate --calibration /calibration /experiment.ini >"$out/calibration"
}

# guest_run RUN EXPERIMENT DURATION [vmrt-trace option...]: record the workload into $out/RUN.vmrt, with
# the workload's own log beside the recording
guest_run() {
	local run=$out/$1.vmrt experiment=$2 duration=$3 status=0
	shift 3
	rm -f "$run/load-$vm.csv"
	(cd "$root" && exec "$O/bin/vmrt-trace" record --force --allow-loss -e "$experiment" -o "$run" "$@" -- \
		scripts/vm exec "$vm" vmrt-load --calibration /calibration --duration "$duration" \
		--log /log.csv /experiment.ini) || status=$?
	[ "$status" -eq 0 ] || return "$status"
	"$root/scripts/vm" get "$vm" /log.csv "$run/load-$vm.csv"
}
