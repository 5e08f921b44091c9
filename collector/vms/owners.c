/* SPDX-License-Identifier: MIT */
/* Decides whose VMs are trusted: those of root, of the caller, of libvirt's QEMU, and of named
 * users. */
#include <vmrt/vms.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "scan.h"

#define PASSWD "/etc/passwd"
#define PASSWD_MAX (4 << 20)
#define OWNERS_MAX 32
#define SYSTEM_UID_MAX 999 /* larger ids belong to people */

/* The names of the user that libvirt's QEMU runs as: on Debian, and on Fedora. */
static const char *const libvirt_users[] = {"libvirt-qemu", "qemu"};

static uid_t allowed[OWNERS_MAX];
static size_t n_allowed,
	n_standard; /* all allowed users; the users who are always trusted, who come first */
static bool prepared;

/* Finds the line of @text for user @name or, if @name is NULL, for user @uid; *@found becomes the
 * name, *@id the number. */
static bool find_user(const char *text, const char *name, uid_t uid, char *found, uid_t *id)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, ":\n");
		const char *number = line[len] == ':' ? strchr(line + len + 1, ':') : NULL;
		char digits[16];
		int64_t value;

		if (!number)
			continue;
		snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(number + 1, ":\n"),
			number + 1);
		if (vmrt_parse_int(digits, 0, UINT32_MAX - 1, &value) != VMRT_OK)
			continue;
		if (name ? strlen(name) == len && !strncmp(name, line, len) : (uid_t)value == uid) {
			snprintf(found, VMRT_OWNER_MAX, "%.*s", (int)len, line);
			*id = (uid_t)value;
			return true;
		}
	}
	return false;
}

/* Reads /etc/passwd itself: a static program cannot use the other databases of the C library. */
static bool find_account(const char *name, uid_t uid, char *found, uid_t *id)
{
	char *text;
	bool there;

	if (vmrt_read_file(PASSWD, PASSWD_MAX, &text, NULL, NULL) != VMRT_OK)
		return false;
	there = find_user(text, name, uid, found, id);
	free(text);
	return there;
}

static bool is_listed(uid_t uid)
{
	for (size_t i = 0; i < n_allowed; i++)
		if (allowed[i] == uid)
			return true;
	return false;
}

static bool add(uid_t uid)
{
	if (is_listed(uid))
		return true;
	if (n_allowed == OWNERS_MAX)
		return false;
	allowed[n_allowed++] = uid;
	return true;
}

static void prepare(void)
{
	const char *sudo = getenv("SUDO_UID");
	char name[VMRT_OWNER_MAX];
	int64_t caller;
	uid_t uid;

	if (prepared)
		return;
	prepared = true;
	add(0);
	add(getuid());
	add(geteuid());
	/* only in root's environment can SUDO_UID be trusted to say who used sudo */
	if (geteuid() == 0 && sudo && vmrt_parse_int(sudo, 0, UINT32_MAX - 1, &caller) == VMRT_OK)
		add((uid_t)caller);
	for (size_t i = 0; i < sizeof(libvirt_users) / sizeof(libvirt_users[0]); i++)
		if (find_account(libvirt_users[i], 0, name, &uid) && (uid <= SYSTEM_UID_MAX || !i))
			add(uid);
	n_standard = n_allowed;
}

enum vmrt_status vmrt_user_id(const char *user, uid_t *out, struct vmrt_error *err)
{
	char name[VMRT_OWNER_MAX];
	int64_t number;

	if (vmrt_parse_int(user, 0, UINT32_MAX - 1, &number) == VMRT_OK) {
		*out = (uid_t)number;
		return VMRT_OK;
	}
	if (find_account(user, 0, name, out))
		return VMRT_OK;
	return vmrt_fail(err, VMRT_ENOENT,
		"there is no user %.64s in " PASSWD ": give a name from there, or a number", user);
}

const char *vmrt_user_name(uid_t uid, char buf[VMRT_OWNER_MAX])
{
	uid_t id;

	if (!find_account(NULL, uid, buf, &id))
		snprintf(buf, VMRT_OWNER_MAX, "%u", (unsigned)uid);
	vms_make_printable(buf);
	return buf;
}

/* VMs of @user are trusted from now on. */
static enum vmrt_status allow(const char *user, struct vmrt_error *err)
{
	enum vmrt_status status;
	uid_t uid;

	prepare();
	status = vmrt_user_id(user, &uid, err);
	if (status == VMRT_OK && !add(uid))
		status = vmrt_fail(err, VMRT_ERANGE, "more than %d owners", OWNERS_MAX);
	return status;
}

size_t vmrt_owners_added(const uid_t **out)
{
	prepare();
	*out = allowed + n_standard;
	return n_allowed - n_standard;
}

bool vmrt_owner_allowed(uid_t uid)
{
	prepare();
	return is_listed(uid);
}

error_t vmrt_option_owner(void *opts, char *arg, const struct argp_state *state)
{
	struct vmrt_error err;

	(void)opts;
	if (allow(arg, &err) != VMRT_OK)
		return vmrt_usage(state, "--owner '%s': %s", arg, err.text);
	return 0;
}

/* A set-user-ID program belongs both to the user who started it and to the owner of the file: both
 * must be allowed. */
bool vmrt_vm_allowed(const struct vmrt_vm *vm, const uid_t *only)
{
	for (int i = 0; i < 2; i++)
		if (only ? vm->uids[i] != *only : !vmrt_owner_allowed(vm->uids[i]))
			return false;
	return true;
}

bool vmrt_process_allowed(pid_t pid, const struct vmrt_vm *vm)
{
	uid_t uids[2];

	vms_read_owner("/proc", pid, uids);
	for (int i = 0; i < 2; i++)
		if (uids[i] != vm->uids[i] && !vmrt_owner_allowed(uids[i]))
			return false;
	return uids[0] != (uid_t)-1;
}

void vms_read_owner(const char *proc, pid_t pid, uid_t uids[2])
{
	char path[300], *text;
	unsigned real, effective;
	const char *line;

	uids[0] = uids[1] = (uid_t)-1;
	/* the owner of the folder in /proc is not used, because a process can make it appear as
	 * root */
	snprintf(path, sizeof(path), "%.255s/%d/status", proc, (int)pid);
	if (vmrt_read_file(path, 16384, &text, NULL, NULL) != VMRT_OK)
		return;
	line = strstr(text, "\nUid:");
	if (line && sscanf(line, "\nUid:%u%u", &real, &effective) == 2) {
		uids[0] = (uid_t)real;
		uids[1] = (uid_t)effective;
	}
	free(text);
}

bool vms_is_process(const char *proc, pid_t pid)
{
	char path[300], *text;
	const char *line;
	int tgid = pid;

	snprintf(path, sizeof(path), "%.255s/%d/status", proc, (int)pid);
	if (vmrt_read_file(path, 16384, &text, NULL, NULL) != VMRT_OK)
		return true;
	line = strstr(text, "\nTgid:");
	if (line)
		sscanf(line, "\nTgid:%d", &tgid);
	free(text);
	return tgid == pid;
}
