/* SPDX-License-Identifier: MIT */
/* The paths of sockets that a VM inherited. */
#include "procfix.h"

#include <sys/socket.h>
#include <sys/un.h>

static void socket_that_was_passed_is_found_in_the_kernels_table(void **state)
{
	static const char table[] =
		"Num       RefCount Protocol Flags    Type St Inode Path\n"
		"0000000000000000: 00000003 00000000 00000000 0001 03  4241 /run/other\n"
		"0000000000000000: 00000003 00000000 00000000 0001 03  4245 /run/accepted\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4242 /run/with blank.sock\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4243 @abstract\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4244\n"
		"a line that is none\n";
	struct vmrt_vm *vms;
	char path[128];
	size_t n;

	(void)state;
	PROCESS(720, "qemu-system-x86_64\0-name\0guest=libvirt\0"
		     "-chardev\0socket,id=charchannel0,fd=33,server=on,wait=off\0"
		     "-device\0{\"driver\":\"virtserialport\",\"chardev\":\"charchannel0\","
		     "\"name\":\"org.vmrt.agent.0\"}\0"
		     "-chardev\0socket,id=c1,fd=34,server=on\0"
		     "-device\0virtserialport,name=org.vmrt.agent.1,chardev=c1\0"
		     "-chardev\0socket,id=c2,fd=35,server=on\0"
		     "-device\0virtserialport,name=org.vmrt.agent.2,chardev=c2\0");
	thread(720, 720, "qemu-system-x86", 0, 0, "0");
	snprintf(path, sizeof(path), "%s/720/fd", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/720/fd/33", root);
	assert_int_equal(symlink("socket:[4242]", path), 0);
	snprintf(path, sizeof(path), "%s/720/fd/34", root);
	assert_int_equal(symlink("socket:[4243]", path), 0);
	snprintf(path, sizeof(path), "%s/720/fd/35", root);
	assert_int_equal(symlink("/dev/null", path), 0);
	snprintf(path, sizeof(path), "%s/720/net", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/720/net/unix", root);
	put(path, table, strlen(table));
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_string_equal(vms->link[0], "/run/with blank.sock");
	assert_string_equal(vms->link[1], "");
	assert_string_equal(vms->link[2], "");
	vmrt_vms_free(vms, n);
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(strlen(path) < sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static unsigned long inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (unsigned long)st.st_ino;
}

/* Makes a socket whose path is, after a line end, a line of the kernel's table about @inode. */
static int forge_line(unsigned long inode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/f\n0: 2 0 10000 1 1 %lu ", root, inode);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/evil");
	return listen_at(path);
}

/* Needs the kernel's table as it is, with a forged line in it. */
static void no_path_with_a_line_end_passes_for_the_socket_of_another(void **state)
{
	char path[128], found[VMRT_LINK_PATH];
	int own, tcp, forged[2];

	(void)state;
	snprintf(path, sizeof(path), "%s/own", root);
	own = listen_at(path);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	forged[0] = forge_line(inode_of(own));
	forged[1] = forge_line(inode_of(tcp));
	vms_fd_socket("/proc", getpid(), own, found);
	/* a kernel that cannot be asked for one socket has two lines for it in its table */
	if (*found) {
		assert_string_equal(found, path);
		vms_fd_socket("/proc", getpid(), tcp, found);
		assert_string_equal(found, "");
	}
	close(own);
	close(tcp);
	close(forged[0]);
	close(forged[1]);
}

static void a_socket_with_two_lines_in_the_table_has_no_known_path(void **state)
{
	static const char table[] =
		"Num       RefCount Protocol Flags    Type St Inode Path\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4242 /run/true.sock\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4999 /tmp/x\n"
		"0: 2 0 00010000 1 1 4242 /tmp/evil\n"
		/* one that does not listen, and a line that says that it does */
		"0000000000000000: 00000002 00000000 00000000 0001 01  4243 /run/silent.sock\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4998 /tmp/y\n"
		"0: 2 0 00010000 1 1 4243 /tmp/evil\n";
	char path[128], found[VMRT_LINK_PATH];

	(void)state;
	snprintf(path, sizeof(path), "%s/7", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/7/fd", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/7/net", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/7/net/unix", root);
	put(path, table, strlen(table));
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/7/fd/%d", root, i);
		assert_int_equal(symlink(i ? "socket:[4243]" : "socket:[4242]", path), 0);
		vms_fd_socket(root, 7, i, found);
		assert_string_equal(found, "");
	}
}

static void a_link_that_cannot_be_a_socket_address_is_left_out(void **state)
{
	char cmdline[1024] = "qemu-system-x86_64";
	char *p = cmdline + strlen(cmdline) + 1;
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	p = stpcpy(p, "-chardev") + 1;
	p = stpcpy(p, "socket,id=a,path=/");
	memset(p, 'p', 200);
	p += 201;
	p = stpcpy(p, "-device") + 1;
	p = stpcpy(p, "virtserialport,chardev=a,name=org.vmrt.agent.0") + 1;
	p = stpcpy(p, "-chardev") + 1;
	p = stpcpy(p, "socket,id=b,path=relative") + 1;
	p = stpcpy(p, "-device") + 1;
	p = stpcpy(p, "virtserialport,chardev=b,name=org.vmrt.agent.1") + 1;
	p = stpcpy(p, "-chardev") + 1;
	p = stpcpy(p, "pty,id=c,path=/x") + 1;
	p = stpcpy(p, "-device") + 1;
	p = stpcpy(p, "virtserialport,chardev=c,name=org.vmrt.agent.2") + 1;
	p = stpcpy(p, "-chardev") + 1;
	p = stpcpy(p, "socket,id=d,path=/a\033b") + 1;
	p = stpcpy(p, "-device") + 1;
	p = stpcpy(p, "virtserialport,chardev=d,name=org.vmrt.agent.3") + 1;
	process(3, cmdline, (size_t)(p - cmdline));
	thread(3, 3, "qemu", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 1);
	for (int i = 0; i < VMRT_VM_LINKS; i++)
		assert_string_equal(vms->link[i], "");
	vmrt_vms_free(vms, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(socket_that_was_passed_is_found_in_the_kernels_table),
		TEST(no_path_with_a_line_end_passes_for_the_socket_of_another),
		TEST(a_socket_with_two_lines_in_the_table_has_no_known_path),
		TEST(a_link_that_cannot_be_a_socket_address_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
