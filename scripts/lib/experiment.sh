# shellcheck shell=bash
# Running an experiment on VMs of scripts/vm: what `make demo`, scripts/experiment and the benchmarks share.
# Sourced after vmrt.sh. Uses: vm (the names of the VMs, separated by blanks), out (a folder for what comes out), and
# load_options (further options of vmrt-load).
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
	# for these only: a program in a guest that never ends may also be a child of this shell
	[ ${#hogs[@]} = 0 ] || wait "${hogs[@]}" 2>/dev/null || true
	hogs=()
	return 0
}

# guest_prepare EXPERIMENT: put the experiment into the guests and measure their speed, once for all runs
guest_prepare() {
	local guest
	for guest in $vm; do
		"$root/scripts/vm" put "$guest" "$1" /experiment.ini || return 1
		"$root/scripts/vm" exec "$guest" vmrt-load --calibrate --calibration /calibration /experiment.ini \
			>"$out/calibration" || return 1
	done
}

# vms_priority POLICY PRIORITY: of all threads of the VMs; those beside the vCPUs, which deliver timers, get one more if it is
# above 0. Real-time while the guests are calibrated, so that ordinary work on the host does not count as their slowness.
vms_priority() {
	local name pid task more
	while read -r name pid _; do
		[[ " $vm " = *" $name "* ]] || continue
		for task in /proc/"$pid"/task/*; do
			more=$(($2 > 0))
			grep -qE '^CPU [0-9]+/' "$task/comm" 2>/dev/null && more=0
			chrt "--$1" --pid $(($2 + more)) "${task##*/}" 2>/dev/null
		done
	done < <("$root/scripts/vm" list)
	return 0
}

# The workload in all guests whose names follow it, at the same time.
everywhere='load=$1; shift; pids=; status=0
for guest; do scripts/vm exec "$guest" "$load" & pids="$pids $!"; done
for pid in $pids; do wait "$pid" || status=1; done; exit $status'

# guest_run RUN EXPERIMENT DURATION [vmrt-trace option...]: record the workload into $out/RUN.vmrt, with
# the workload's own log of each guest beside the recording
guest_run() {
	local run=$out/$1.vmrt experiment=$2 duration=$3 status=0 guest
	local load="vmrt-load --calibration /calibration --duration $duration --log /log.csv ${load_options:+$load_options }/experiment.ini"
	local command=(scripts/vm exec "$vm" "$load")
	shift 3
	# shellcheck disable=SC2206 # names of VMs have no blanks
	[[ $vm != *' '* ]] || command=(sh -c "$everywhere" everywhere "$load" $vm)
	for guest in $vm; do rm -f "$run/load-$guest.csv"; done
	(cd "$root" && exec "$O/bin/vmrt-trace" record --force --allow-loss -e "$experiment" -o "$run" "$@" -- \
		"${command[@]}") || status=$?
	[ "$status" -eq 0 ] || return "$status"
	for guest in $vm; do
		"$root/scripts/vm" get "$guest" /log.csv "$run/load-$guest.csv" || return 1
	done
}
