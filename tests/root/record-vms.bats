#!/usr/bin/env bats
# VMs of hypervisors that do not run here, by processes whose threads carry their names: finding them,
# following them, filters for them. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	threads=$O/tests/named-threads
	run=$BATS_TEST_TMPDIR/t.vmrt
	vm=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
}

teardown() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null
	[ -z "${group:-}" ] || rmdir "$group" 2>/dev/null
	return 0
}

# as ARGV0 ARGUMENT...
as() {
	local name=$1
	shift
	(exec -a "$name" "$threads" "$@") 3>&- &
	vm=$!
	sleep 0.3
}

# row FIELD: of the threads of our VM, as lines
rows() { "$trace" vms --format json | jq -r ".host.threads[] | select(.pid == $vm) | $1"; }

found() {
	as "$@"
	[ "$(rows 'select(.role == "vcpu") | .vcpu' | sort | tr '\n' ' ')" = "0 1 " ]
	[ "$(rows .role | grep -c io)" -ge 1 ]
	kill "$vm"
}

@test "VMs of all hypervisors are found by their threads' names" {
	found firecracker 20 'fc_vcpu 0' 'fc_vcpu 1' fc_api
	found cloud-hypervisor 20 vcpu0 vcpu1 _disk0
	found crosvm 20 crosvm_vcpu0 crosvm_vcpu1 crosvm_gpu
	found VBoxHeadless 20 EMT-0 EMT-1 AIOMgr
	found vmware-vmx 20 vmx-vcpu-0 vmx-vcpu-1 vmx-svga
	found qemu-system-x86_64 20 'CPU 0/KVM' 'CPU 1/KVM' IO
	as VirtualBoxVM 20 EMT AIOMgr
	[ "$(rows 'select(.role == "vcpu") | .thread')" = EMT ]
}

@test "policy, priority, deadline parameters, cgroup and its limit are shown" {
	as firecracker 20 'fc_vcpu 0' 'fc_vcpu 1'
	tid=$(rows 'select(.vcpu == 1) | .tid')
	chrt -f -p 7 "$(rows 'select(.vcpu == 0) | .tid')"
	chrt -d -p --sched-runtime 1000000 --sched-deadline 5000000 --sched-period 10000000 0 "$tid" || skip "no SCHED_DEADLINE"
	[ "$(rows 'select(.vcpu == 0) | [.policy, .priority] | join(" ")')" = 'fifo 7' ]
	[ "$(rows 'select(.vcpu == 1) | [.policy, .dl_runtime_ns, .dl_deadline_ns, .dl_period_ns] | join(" ")')" = \
		'deadline 1000000 5000000 10000000' ]
	rows .cgroup | grep -q ^/
	"$trace" vms | grep -q 'runtime *deadline *period *cgroup'
}

@test "the limit of a cgroup is shown" {
	local root
	for root in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
		group=$root/vmrt-test-$$
		mkdir "$group" 2>/dev/null || continue
		[ -e "$group/cpu.max" ] || [ -e "$group/cpu.cfs_quota_us" ] && break
		rmdir "$group"
		group=''
	done
	[ -n "$group" ] || skip "no cgroup with a CPU controller can be made here"
	if [ -e "$group/cpu.max" ]; then echo '20000 50000' >"$group/cpu.max"; else
		echo 50000 >"$group/cpu.cfs_period_us"
		echo 20000 >"$group/cpu.cfs_quota_us"
	fi
	as firecracker 20 'fc_vcpu 0'
	echo "$vm" >"$group/cgroup.procs"
	[ "$(rows 'select(.vcpu == 0) | [.cgroup, .quota_ns, .quota_period_ns] | join(" ")')" = "/vmrt-test-$$ 20000000 50000000" ]
	"$trace" record -q -o "$run" --vm "cgroup:/vmrt-test-$$" -- sleep 0.2
	[ "$(jq '.vms[0].threads | length' "$run/manifest.json")" -eq 2 ]
	kill "$vm"
	wait "$vm" || true
	vm=''
}

@test "threads that come and go are in the manifest with their times" {
	as firecracker 20 'fc_vcpu 0' '+2:fc_vcpu 1' '-2:fc_gone'
	"$trace" record -q -o "$run" --no-guest --vm pid:$vm -d 4s
	start=$(jq .start_ns "$run/manifest.json")
	later=$(jq '.vms[0].threads[] | select(.comm == "fc_vcpu 1") | .from_ns' "$run/manifest.json")
	gone=$(jq '.vms[0].threads[] | select(.comm == "fc_gone") | .to_ns' "$run/manifest.json")
	[ $(((later - start) / 100000000)) -ge 10 ] && [ $(((later - start) / 100000000)) -le 25 ]
	[ $(((gone - start) / 100000000)) -ge 10 ] && [ $(((gone - start) / 100000000)) -le 35 ]
	[ "$(jq '.vms[0].threads[] | select(.comm == "fc_vcpu 0") | has("from_ns") or has("to_ns")' "$run/manifest.json")" = false ]
}

@test "a VM that starts during the recording is in it with --all-vms, and one that ends is too" {
	"$trace" record -q -o "$run" --no-guest --all-vms -d 5s &
	recorder=$!
	sleep 1
	as firecracker 1 'fc_vcpu 0'
	wait "$recorder"
	[ "$(jq ".vms[] | select(.pid == $vm) | .threads[] | select(.vcpu == 0) | .from_ns < .to_ns" "$run/manifest.json")" = true ]
	jq -r ".vms[] | select(.pid == $vm) | .note" "$run/manifest.json" | grep -q 'started during'
}

@test "any process and any threads can be recorded as a VM" {
	as something 20 my-vcpu-0 my-vcpu-1 other
	"$trace" record -q -o "$run" --vm 'thread:my-vcpu-*' -- sleep 0.2
	[ "$(jq '.vms[0].threads | length' "$run/manifest.json")" -eq 2 ]
	"$trace" record -q --force -o "$run" --vm pid:$vm -- sleep 0.2
	[ "$(jq '.vms[0].threads | length' "$run/manifest.json")" -eq 4 ]
	run -1 "$trace" record --force -o "$run" --vm 'thread:no-such-*' -- true
	[[ $output = *"no thread's name matches"* ]]
	run -1 "$trace" record --force -o "$run" --vm cgroup:/no-such -- true
	[[ $output = *'no cgroup'* ]]
}

@test "a VM that is killed ends in the recording, which goes on" {
	as firecracker 20 'fc_vcpu 0'
	"$trace" record -q -o "$run" --no-guest --vm pid:$vm -d 3s &
	recorder=$!
	sleep 1
	kill -9 "$vm"
	wait "$recorder"
	[ "$(jq '[.vms[0].threads[] | select(has("to_ns"))] | length' "$run/manifest.json")" -eq 2 ]
	[ "$(jq '.end_ns - .start_ns > 2900000000' "$run/manifest.json")" = true ]
	[ -e "$run/run.db" ]
}
