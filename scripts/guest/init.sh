#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the guest: a kernel, a few modules, an agent and a shell that obeys the host.

export PATH=/bin
/bin/busybox --install -s /bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing

exec </dev/null >/dev/console 2>&1

parameter() {
	sed -n "s/.*\<$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

name=$(parameter 'vmrt\.name')
hostname "${name:-guest}"
# Kernel messages on the serial console cost an exit to QEMU for each character, in the midst of an
# experiment; they stay in dmesg. Only emergencies are printed.
echo 1 >/proc/sys/kernel/printk

while read -r module; do
	insmod "/modules/$module" || echo "vmrt-guest: cannot load $module"
done </modules/order

# The guest is given less than a whole CPU by design, and what that does to its tasks is what is being
# measured. The guest's own RT throttling counts time in which its vCPU did not run as time its tasks
# used; it would stop them for up to 50 ms in a second and hide the effect of the host.
echo -1 >/proc/sys/kernel/sched_rt_runtime_us

# The kernel measures its TSC against another clock during the first seconds and changes the rate of
# all clocks when it has finished; nothing can be measured before.
wait_for_clock() {
	local left=50 source
	while [ $left -gt 0 ]; do
		read -r source </sys/devices/system/clocksource/clocksource0/current_clocksource
		[ "$source" = tsc-early ] || break
		sleep 0.1
		left=$((left - 1))
	done
	[ "$source" = tsc ] || echo "vmrt-guest: the clock source is $source, not tsc"
}

port_of() {
	local file name
	for file in /sys/class/virtio-ports/*/name; do
		read -r name <"$file" || continue
		[ "$name" = "$1" ] || continue
		file=${file%/name}
		echo "/dev/${file##*/}"
		return
	done
}

# The names of the ports arrive in messages from the device, a moment after the driver.
wait_for_port() {
	local left=50 port
	while [ $left -gt 0 ]; do
		port=$(port_of "$1")
		[ -c "$port" ] && echo "$port" && return
		sleep 0.1
		left=$((left - 1))
	done
	echo "vmrt-guest: there is no port $1" >&2
}

out=$(wait_for_port org.vmrt.exec)
err=$(wait_for_port org.vmrt.exec.err)
wait_for_clock
if [ -x /bin/vmrt-agent ]; then
	vmrt-agent &
fi
echo "vmrt-guest ready"

# The first process must not end: the kernel would panic.
while :; do
	if [ -c "$out" ] && [ -c "$err" ]; then
		vmrt-exec "$out" "$err"
	fi
	sleep 1
done
