# shellcheck shell=bash
# Ways to schedule a VM of scripts/vm on its CPU, put into force around a run and taken back after it.
# Sourced after vmrt.sh. Uses: vm (the VM's name). Sets for the run: record_options (of vmrt-trace record).
# shellcheck disable=SC2154,SC2034 # root, O and vm are the sourcing script's, which reads record_options

VARIANTS="none fifo periodic polling deferrable sporadic edf deadline rt_group cfs_quota"
VARIANT_PRIORITY=50 # of the vCPU threads under SCHED_FIFO; the VM's other threads run one above

variant_group=''
record_options=()

# cgroup_cpu: the mounted hierarchy of the cpu controller, version 1, or nothing
cgroup_cpu() { awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2; exit }' /proc/mounts; }

# vm_threads vcpu|other: thread ids
vm_threads() {
	"$O/bin/vmrt-trace" vms --format json |
		jq -r --arg vm "$vm" --arg want "$1" '.host.threads[] | select(.vm == $vm) | select((.role == "vcpu") == ($want == "vcpu")).tid'
}

# variant_missing NAME: prints why this machine has no such variant; nothing if it has
variant_missing() {
	local cpu
	cpu=$(cgroup_cpu)
	case $1 in
	rt_group) [ -n "$cpu" ] && [ -e "$cpu/cpu.rt_runtime_us" ] || echo "the kernel has no real-time groups" ;;
	cfs_quota) [ -n "$cpu" ] && [ -e "$cpu/cpu.cfs_quota_us" ] || echo "there is no cpu controller of cgroup version 1" ;;
	none | fifo | periodic | polling | deferrable | sporadic | edf | deadline) ;;
	*) echo "there is no such variant" ;;
	esac
}

# The main loop must not wait for the vCPU threads: it delivers the timers of a TCG guest.
raise_vm() {
	local tid
	for tid in $(vm_threads other); do chrt -f -p $((VARIANT_PRIORITY + 1)) "$tid" || return 1; done
	for tid in $(vm_threads vcpu); do chrt -f -p $VARIANT_PRIORITY "$tid" || return 1; done
	[ -n "$tid" ]
}

lower_vm() {
	local tid
	for tid in $(vm_threads vcpu) $(vm_threads other); do chrt -o -p 0 "$tid" 2>/dev/null; done
	return 0
}

# group_begin: the vCPU threads into a cgroup of their own
group_begin() {
	local tid
	variant_group=$(cgroup_cpu)/vmrt-variant-$$
	mkdir "$variant_group" || return 1
	for tid in $(vm_threads vcpu); do echo "$tid" >"$variant_group/tasks" || return 1; done
	grep -q . "$variant_group/tasks" # its size is always 0
}

group_end() {
	local tid
	[ -n "$variant_group" ] || return 0
	while read -r tid; do echo "$tid" >"$(cgroup_cpu)/tasks" 2>/dev/null; done <"$variant_group/tasks"
	rmdir "$variant_group" && variant_group=''
}

# variant_begin NAME PERIOD_US BUDGET_US
variant_begin() {
	record_options=()
	case $1 in
	none) ;;
	fifo) raise_vm ;;
	rt_group)
		group_begin && echo "$2" >"$variant_group/cpu.rt_period_us" &&
			echo "$3" >"$variant_group/cpu.rt_runtime_us" && raise_vm
		;;
	cfs_quota)
		# the largest weight: what the quota allows is what it gets
		group_begin && echo 262144 >"$variant_group/cpu.shares" && echo "$2" >"$variant_group/cpu.cfs_period_us" &&
			echo "$3" >"$variant_group/cpu.cfs_quota_us"
		;;
	*) record_options=(--hsf) ;;
	esac
}

# variant_end NAME: everything as it was
variant_end() {
	case $1 in
	fifo | rt_group) lower_vm ;;
	esac
	group_end
}
