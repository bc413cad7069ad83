/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * The record of a port is the file SERIAL.PORT.json, so that there is nothing to search for and
 * no more files are read than the manager has ports. A record is replaced by rename(): a reader
 * sees the old one or the new one. Beside it, SERIAL.PORT.lock is locked (flock) by the process
 * that has a device object on the function, and "lock" by who looks for a free port or removes a
 * record. Locks vanish with their process. SERIAL.HASH.type says what the type of a name is, as
 * long as somebody holds a shared lock on it; who finds it unlocked writes it anew.
 *
 * The directory is ours or root's and not writable for others, or it is not used. Still, what is
 * in a file is checked like any foreign text: length first, then every key.
 */
#include "core/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "core/board.h"
#include "core/log.h"

SD_LOG_REGISTER(STATE);

#define STATE_RECORD_MAX 4096 /* several times the largest record */
#define STATE_DEPTH_MAX 2
#define STATE_LOCK_TRIES 300 /* of 10 ms: who holds it writes one file */
#define STATE_NAME_LEN 64

static const char *const state_names[] = {
	[FUNCTION_OFF] = "POWER_OFF",
	[FUNCTION_UNPLUGGING] = "UNPLUG_IN_PROGRESS",
	[FUNCTION_PLUGGING] = "PLUG_IN_PROGRESS",
	[FUNCTION_ON] = "POWER_ON",
};

const char *function_state_name(enum function_state state)
{
	return state_names[state];
}

/* ---- the directory ---- */

static int state_dir_path(char path[PATH_MAX], bool make)
{
	const char *env = getenv("SOFTDPU_STATE_DIR");
	char run[PATH_MAX - 8];

	if (env && env[0]) {
		if (strlen(env) >= PATH_MAX)
			return -ENAMETOOLONG;
		strcpy(path, env);
	} else {
		if (board_run_dir(run, sizeof(run)))
			return -ENAMETOOLONG;
		if (make && mkdir(run, 0755) < 0 && errno != EEXIST)
			return -errno;
		snprintf(path, PATH_MAX, "%s/state", run);
	}
	return make && mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int state_dir_check(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & S_IWOTH) {
		sd_log_ratelimited_warn("state directory %s: belongs to somebody else, or is "
					"writable for all", path);
		return -EPERM;
	}
	return 0;
}

/* Its descriptor or -errno. make: it has to be there afterwards, and a failure is said. */
static int state_dir_open(bool make)
{
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];
	int rc = state_dir_path(path, make);

	if (!rc) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = fd < 0 ? -errno : state_dir_check(path, fd);
	}
	if (rc && make && rc != -EPERM)
		sd_log_err("state directory %s: %s", path, strerror(-rc));
	return rc ? rc : take_fd(fd);
}

static void state_name(char name[STATE_NAME_LEN], const struct doca_devinfo *info,
		       unsigned int port, const char *suffix)
{
	snprintf(name, STATE_NAME_LEN, "%s.%u.%s", info->serial, port, suffix);
}

/* ---- locks ---- */

int state_lock(int *ret_fd)
{
	CLEANUP_FD int dir = state_dir_open(true);
	CLEANUP_FD int fd = -1;
	int i;

	if (dir < 0)
		return dir;
	fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	for (i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (i == STATE_LOCK_TRIES) {
			sd_log_err("state directory: its lock is held by another process");
			return -EAGAIN;
		}
		usleep(10000);
	}
	*ret_fd = take_fd(fd);
	return 0;
}

void state_unlock(int fd)
{
	close(fd);
}

static void type_file(char file[STATE_NAME_LEN], const struct doca_devinfo *info, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a: names may be no file names */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
	snprintf(file, STATE_NAME_LEN, "%s.%016" PRIx64 ".type", info->serial, hash);
}

static int type_join(int fd, uint64_t digest)
{
	char mine[24], theirs[24] = "";

	snprintf(mine, sizeof(mine), "%016" PRIx64 "\n", digest);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (ftruncate(fd, 0) < 0 ||
		    pwrite(fd, mine, strlen(mine), 0) != (ssize_t)strlen(mine))
			return -EIO;
	} else if (pread(fd, theirs, sizeof(theirs) - 1, 0) < 0 || strcmp(mine, theirs)) {
		return -EEXIST;
	}
	return flock(fd, LOCK_SH | LOCK_NB) < 0 ? -errno : 0;
}

int state_share_type(const struct doca_devinfo *info, const char *name, uint64_t digest,
		     int *ret_fd)
{
	CLEANUP_FD int dir = -1, fd = -1;
	char file[STATE_NAME_LEN];
	int lock, rc;

	rc = state_lock(&lock);
	if (rc)
		return rc;
	type_file(file, info, name);
	dir = state_dir_open(true);
	fd = dir < 0 ? -1 :
		       openat(dir, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			      0600);
	rc = fd < 0 ? -errno : type_join(fd, digest);
	state_unlock(lock);
	if (!rc)
		*ret_fd = take_fd(fd);
	return rc;
}

/* The last one turns off the light. */
void state_unshare_type(const struct doca_devinfo *info, const char *name, int fd)
{
	char file[STATE_NAME_LEN];
	int lock, dir;

	if (!state_lock(&lock)) {
		type_file(file, info, name);
		dir = state_dir_open(false);
		if (dir >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dir, file, 0);
		if (dir >= 0)
			close(dir);
		state_unlock(lock);
	}
	close(fd);
}

int state_own(const struct doca_devinfo *info, unsigned int port, int *ret_fd)
{
	CLEANUP_FD int dir = state_dir_open(true);
	char name[STATE_NAME_LEN];
	CLEANUP_FD int fd = -1;

	if (dir < 0)
		return dir;
	state_name(name, info, port, "lock");
	fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

/* ---- reading ---- */

static bool take_text(struct json_object *top, const char *key, char *ret, size_t size)
{
	struct json_object *value;
	const char *text;
	size_t i, len;

	if (!json_object_object_get_ex(top, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (len >= size)
		return false;
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20)
			return false;
	memcpy(ret, text, len + 1);
	return true;
}

static bool take_state(struct json_object *top, enum function_state *ret)
{
	char text[24];
	size_t i;

	if (!take_text(top, "state", text, sizeof(text)))
		return false;
	for (i = 0; i < ARRAY_SIZE(state_names); i++)
		if (!strcmp(text, state_names[i])) {
			*ret = (enum function_state)i;
			return true;
		}
	return false;
}

static bool take_birth(struct json_object *top, uint64_t *ret)
{
	struct json_object *value;
	int64_t birth;

	if (!json_object_object_get_ex(top, "birth", &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	birth = json_object_get_int64(value);
	*ret = (uint64_t)birth;
	return birth > 0;
}

static bool is_transport(const char *text, const char *socket_path)
{
	if (!strcmp(text, "loop"))
		return !socket_path[0];
	return (!strcmp(text, "vhost-user") || !strcmp(text, "vfio-user")) && socket_path[0] == '/';
}

static bool take_record(struct json_object *top, struct state_record *ret)
{
	struct json_object *mapped;

	if (!json_object_is_type(top, json_type_object) ||
	    !json_object_object_get_ex(top, "doorbell_mapped", &mapped) ||
	    !json_object_is_type(mapped, json_type_boolean))
		return false;
	ret->doorbell_mapped = json_object_get_boolean(mapped);
	return take_birth(top, &ret->birth) && take_state(top, &ret->state) &&
	       take_text(top, "vuid", ret->vuid, sizeof(ret->vuid)) && ret->vuid[0] &&
	       take_text(top, "type", ret->type, sizeof(ret->type)) && ret->type[0] &&
	       take_text(top, "transport", ret->transport, sizeof(ret->transport)) &&
	       take_text(top, "socket", ret->socket_path, sizeof(ret->socket_path)) &&
	       is_transport(ret->transport, ret->socket_path);
}

static int parse_record(const char *text, size_t len, struct state_record *ret)
{
	struct json_tokener *tok = json_tokener_new_ex(STATE_DEPTH_MAX);
	struct json_object *top;
	bool fine;

	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	top = json_tokener_parse_ex(tok, text, (int)len);
	fine = top && take_record(top, ret);
	json_object_put(top);
	json_tokener_free(tok);
	return fine ? 0 : -EBADMSG;
}

/* Bytes of a file that has at most max of them; -EBADMSG: not a regular file, or longer. */
static ssize_t read_small(int dir, const char *name, char *text, size_t max)
{
	CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)max)
		return -EBADMSG;
	got = read(fd, text, max);
	return got < 0 ? -errno : got;
}

int state_read(const struct doca_devinfo *info, unsigned int port, struct state_record *ret)
{
	CLEANUP_FD int dir = state_dir_open(false);
	char name[STATE_NAME_LEN], text[STATE_RECORD_MAX + 1];
	ssize_t len;
	int rc;

	if (dir < 0)
		return dir;
	state_name(name, info, port, "json");
	len = read_small(dir, name, text, STATE_RECORD_MAX);
	if (len == -ENOENT)
		return -ENOENT;
	memset(ret, 0, sizeof(*ret));
	ret->port = port;
	rc = len < 0 ? (int)len : parse_record(text, (size_t)len, ret);
	if (rc)
		sd_log_ratelimited_warn("state directory: %s is not the record of a function (%s); "
					"port %u of %s counts as taken", name, strerror(-rc), port,
					info->ibdev_name);
	return rc;
}

/* ---- writing ---- */

static struct json_object *record_json(const struct doca_devinfo *info,
				       const struct state_record *rec)
{
	struct json_object *top = json_object_new_object();
	const struct {
		const char *key, *text;
	} texts[] = {
		{ "vuid", rec->vuid },
		{ "manager", info->ibdev_name },
		{ "type", rec->type },
		{ "transport", rec->transport },
		{ "socket", rec->socket_path },
		{ "state", state_names[rec->state] },
	};
	size_t i;

	for (i = 0; top && i < ARRAY_SIZE(texts); i++)
		json_object_object_add(top, texts[i].key, json_object_new_string(texts[i].text));
	if (top) {
		json_object_object_add(top, "doorbell_mapped",
				       json_object_new_boolean(rec->doorbell_mapped));
		json_object_object_add(top, "birth", json_object_new_int64((int64_t)rec->birth));
	}
	return top;
}

static int write_small(int dir, const char *name, const char *text)
{
	char temp[STATE_NAME_LEN + 24];
	CLEANUP_FD int fd = -1;
	size_t len = strlen(text);
	int rc = 0;

	/* Of this thread alone: several may write about different ports. */
	snprintf(temp, sizeof(temp), "%s.%d", name, gettid());
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		rc = -EIO;
	else if (renameat(dir, temp, dir, name) < 0)
		rc = -errno;
	if (rc)
		unlinkat(dir, temp, 0);
	return rc;
}

int state_write(const struct doca_devinfo *info, const struct state_record *rec)
{
	CLEANUP_FD int dir = state_dir_open(true);
	struct json_object *top;
	char name[STATE_NAME_LEN];
	int rc;

	if (dir < 0)
		return dir;
	top = record_json(info, rec);
	if (!top)
		return -ENOMEM;
	state_name(name, info, rec->port, "json");
	rc = write_small(dir, name,
			 json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(top);
	if (rc)
		sd_log_err("state directory: %s cannot be written: %s", name, strerror(-rc));
	return rc;
}

int state_remove(const struct doca_devinfo *info, unsigned int port)
{
	CLEANUP_FD int dir = state_dir_open(false);
	char name[STATE_NAME_LEN];

	if (dir < 0)
		return dir;
	state_name(name, info, port, "json");
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	state_name(name, info, port, "lock");
	unlinkat(dir, name, 0);
	return 0;
}
