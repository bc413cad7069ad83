/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "conf_internal.h"
#include "doca_argp.h"
#include "doca_log.h"
#include "doca_devemu_vfs.h"
#include "doca_types.h"
#include "platform.h"

DOCA_LOG_REGISTER(VIRTIOFS::CONF);

#define NULL_NFS_ENV "DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV"
#define MAX_REQUEST_QUEUES 254
#define MAX_QUEUE_SIZE 1024

struct opt_int {
	bool given; /* zero is a value, and refused as one */
	int value;
};

/* Options as given; NULL where not. */
struct raw {
#define FIELD_STRING const char *
#define FIELD_INT struct opt_int
#define FIELD_BOOLEAN bool
#define FIELD_LIST const char *
#define OPTION(field, kind, short_name, long_name, arg, text) FIELD_##kind field;
#include "conf_options.def"
#undef OPTION
};

static doca_error_t store_STRING(const char **field, void *value)
{
	return conf_set_text(field, value) ? DOCA_ERROR_NO_MEMORY : DOCA_SUCCESS;
}

static doca_error_t store_LIST(const char **field, void *value)
{
	char *all = NULL;

	if (!*field)
		return store_STRING(field, value);
	if (asprintf(&all, "%s,%s", *field, (const char *)value) < 0)
		return DOCA_ERROR_NO_MEMORY;
	free((char *)*field);
	*field = all;
	return DOCA_SUCCESS;
}

static doca_error_t store_INT(struct opt_int *field, void *value)
{
	*field = (struct opt_int){ true, *(int *)value };
	return DOCA_SUCCESS;
}

static doca_error_t store_BOOLEAN(bool *field, void *value)
{
	*field = *(bool *)value;
	return DOCA_SUCCESS;
}

#define OPTION(field, kind, short_name, long_name, arg, text) \
	static doca_error_t set_##field(void *value, void *config) \
	{ \
		return store_##kind(&((struct raw *)config)->field, value); \
	}
#include "conf_options.def"
#undef OPTION

static const struct option_def {
	const char *short_name, *long_name, *argument, *text;
	enum doca_argp_type type;
	doca_argp_param_cb_t set;
	bool repeats;
} option_def[] = {
#define TYPE_STRING DOCA_ARGP_TYPE_STRING, .repeats = false
#define TYPE_LIST DOCA_ARGP_TYPE_STRING, .repeats = true
#define TYPE_INT DOCA_ARGP_TYPE_INT, .repeats = false
#define TYPE_BOOLEAN DOCA_ARGP_TYPE_BOOLEAN, .repeats = false
#define OPTION(field, kind, short_name, long_name, arg, text) \
	{ short_name, long_name, arg, text, .set = set_##field, .type = TYPE_##kind },
#include "conf_options.def"
#undef OPTION
};

static doca_error_t register_option(const struct option_def *o)
{
	struct doca_argp_param *param;
	doca_error_t rc = doca_argp_param_create(&param);

	if (rc != DOCA_SUCCESS)
		return rc;
	if (o->short_name)
		doca_argp_param_set_short_name(param, o->short_name);
	doca_argp_param_set_long_name(param, o->long_name);
	if (o->argument)
		doca_argp_param_set_arguments(param, o->argument);
	doca_argp_param_set_description(param, o->text);
	doca_argp_param_set_type(param, o->type);
	doca_argp_param_set_callback(param, o->set);
	if (o->repeats)
		doca_argp_param_set_multiplicity(param);
	return doca_argp_register_param(param);
}

static int parse_options(struct raw *raw, int argc, char **argv)
{
	doca_error_t rc = doca_argp_init("doca_virtiofs", raw);

	for (size_t i = 0; rc == DOCA_SUCCESS && i < ARRAY_SIZE(option_def); i++)
		rc = register_option(&option_def[i]);
	if (rc == DOCA_SUCCESS)
		rc = doca_argp_start(argc, argv);
	doca_argp_destroy();
	return rc == DOCA_SUCCESS ? 0 : -EINVAL;
}

static void raw_free(struct raw *raw)
{
#define FREE_STRING(field) free((char *)raw->field)
#define FREE_LIST FREE_STRING
#define FREE_INT(field)
#define FREE_BOOLEAN(field)
#define OPTION(field, kind, short_name, long_name, arg, text) FREE_##kind(field);
#include "conf_options.def"
#undef OPTION
}

/* ---- values ---- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int conf_parse_core_mask(const char *text, int *cpu, int most)
{
	const char *digits = text;
	size_t len;
	int n = 0;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	len = strlen(digits);
	if (!len || strspn(digits, "0123456789abcdefABCDEF") != len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int digit = hex_digit(digits[len - 1 - i]);

		for (int bit = 0; bit < 4; bit++) {
			if (!(digit >> bit & 1))
				continue;
			if (n == most)
				return -E2BIG;
			cpu[n++] = (int)(i * 4) + bit;
		}
	}
	return n ? n : -EINVAL;
}

int conf_parse_cache(const char *text, enum fs_cache_mode *ret_mode)
{
	static const char *const mode[] = { [FS_CACHE_NONE] = "none", [FS_CACHE_AUTO] = "auto",
					    [FS_CACHE_METADATA] = "metadata",
					    [FS_CACHE_ALWAYS] = "always" };

	for (size_t i = 0; i < ARRAY_SIZE(mode); i++)
		if (!strcmp(text, mode[i])) {
			*ret_mode = (enum fs_cache_mode)i;
			return 0;
		}
	DOCA_LOG_ERR("cache mode '%s' is unknown: use none, auto, metadata or always", text);
	return -EINVAL;
}

/* A range from the command line or from JSON; the value is shown as it was given. */
static int check_range(const struct conf_device *d, const char *what, int value, int least,
		       int most)
{
	if (value >= least && value <= most)
		return 0;
	DOCA_LOG_ERR("%s: %s %d: use %d to %d", d->tag, what, value, least, most);
	return -EINVAL;
}

/* The one in the process is for tests. */
static bool transport_is_known(const char *name)
{
	return !strcmp(name, "vhost-user") || !strcmp(name, "vfio-user") || !strcmp(name, "loop");
}

static int check_device(const struct conf_device *d)
{
	size_t len = strlen(d->tag);
	int rc;

	if (!len || len >= DOCA_VFS_TAG_SIZE) {
		DOCA_LOG_ERR("tag '%s' has %zu bytes: use 1 to %d", d->tag, len,
			     DOCA_VFS_TAG_SIZE - 1);
		return -EINVAL;
	}
	rc = check_range(d, "number of request queues", d->num_request_queues, 1,
			 MAX_REQUEST_QUEUES);
	if (!rc)
		rc = check_range(d, "queue size", d->queue_size, 1, MAX_QUEUE_SIZE);
	if (rc)
		return rc;
	if (!is_pow2((uint64_t)d->queue_size)) {
		DOCA_LOG_ERR("%s: queue size %d: use a power of two", d->tag, d->queue_size);
		return -EINVAL;
	}
	if (!transport_is_known(d->transport)) {
		DOCA_LOG_ERR("%s: transport '%s' is unknown: use vhost-user or vfio-user", d->tag,
			     d->transport);
		return -EINVAL;
	}
	if (d->socket && strlen(d->socket) >= PLATFORM_SOCKET_LEN) {
		DOCA_LOG_ERR("%s: socket %s: a path has at most %d bytes", d->tag, d->socket,
			     PLATFORM_SOCKET_LEN - 1);
		return -EINVAL;
	}
	return 0;
}

static int check_sockets(const struct conf *conf)
{
	for (unsigned int i = 0; i < conf->nr_devices; i++)
		for (unsigned int j = 0; j < i; j++) {
			const char *a = conf->device[i].socket, *b = conf->device[j].socket;

			if (!a || !b || strcmp(a, b))
				continue;
			DOCA_LOG_ERR("%s and %s: both have the socket %s", conf->device[j].tag,
				     conf->device[i].tag, a);
			return -EINVAL;
		}
	return 0;
}

/* "0", "1" or nothing; anything else is said and ignored. */
static bool null_nfs_wanted(void)
{
	const char *v = getenv(NULL_NFS_ENV);

	if (v && strcmp(v, "0") && strcmp(v, "1"))
		DOCA_LOG_WARN("%s=%s is neither 0 nor 1: ignored", NULL_NFS_ENV, v);
	return v && !strcmp(v, "1");
}

/* ---- putting it together ---- */

int conf_set_text(const char **dst, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy) {
		DOCA_LOG_ERR("out of memory");
		return -ENOMEM;
	}
	free((char *)*dst);
	*dst = copy;
	return 0;
}

int conf_copy_device(struct conf_device *d, const struct conf_device *from)
{
	const struct {
		const char **dst, *text;
	} copy[] = {
		{ (const char **)&d->name, from->name },
		{ (const char **)&d->manager, from->manager },
		{ (const char **)&d->vuid, from->vuid },
		{ (const char **)&d->tag, from->tag },
		{ (const char **)&d->transport, from->transport },
		{ &d->fs.dir, from->fs.dir },
		{ &d->fs.server, from->fs.server },
		{ &d->fs.export_path, from->fs.export_path },
		{ &d->fs.options, from->fs.options },
		{ &d->fs.wrap, from->fs.wrap },
		{ &d->fs.state_dir, from->fs.state_dir },
#define FLAG(field, long_name)
#define TEXT(field, long_name) { &d->fs.field, from->fs.field },
#include "conf_local.def"
#undef FLAG
#undef TEXT
	};
	int rc = 0;

	*d = *from;
	d->socket = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(copy); i++)
		*copy[i].dst = NULL;
	for (size_t i = 0; !rc && i < ARRAY_SIZE(copy); i++)
		rc = conf_set_text(copy[i].dst, copy[i].text);
	return rc;
}

void conf_free_device(struct conf_device *d)
{
	free(d->name);
	free(d->manager);
	free(d->vuid);
	free(d->tag);
	free(d->transport);
	free(d->socket);
	free((char *)d->fs.dir);
	free((char *)d->fs.server);
	free((char *)d->fs.export_path);
	free((char *)d->fs.options);
	free((char *)d->fs.wrap);
	free((char *)d->fs.state_dir);
#define FLAG(field, long_name)
#define TEXT(field, long_name) free((char *)d->fs.field);
#include "conf_local.def"
#undef FLAG
#undef TEXT
	memset(d, 0, sizeof(*d));
}

/* With a file of devices they are defaults for those that can use them. */
static int check_local_only(const struct raw *raw)
{
	const char *name = NULL;

	if (raw->local_dir || raw->config)
		return 0;
#define FLAG(field, long_name) name = raw->field ? long_name : name;
#define TEXT FLAG
#define SHARED(field, long_name) name = raw->field && raw->null_fs ? long_name : name;
#include "conf_local.def"
#undef FLAG
#undef TEXT
	if (!name)
		return 0;
	DOCA_LOG_ERR("--%s is for a directory of this machine: use it with --local", name);
	return -EINVAL;
}

static int check_nfs_only(const struct raw *raw)
{
	if (!raw->fs_options || raw->config || !(raw->local_dir || raw->null_fs))
		return 0;
	DOCA_LOG_ERR("--options %s: mount options are for NFS: use them with --nfs-server", raw->fs_options);
	return -EINVAL;
}

static int check_conflicts(const struct raw *raw)
{
	bool nfs_named = raw->server || raw->export_path;
	int rc;

	if (!!raw->local_dir + raw->null_fs + nfs_named > 1) {
		DOCA_LOG_ERR("--local, --null and --nfs-server/--nfs-export exclude each other");
		return -EINVAL;
	}
	if (raw->config && raw->socket) {
		DOCA_LOG_ERR("--socket-path %s and --config exclude each other: "
			     "each device in the file names its socket",
			     raw->socket);
		return -EINVAL;
	}
	rc = check_nfs_only(raw);
	return rc ? rc : check_local_only(raw);
}

/* Text stays the caller's. */
static void set_local(struct fs_config *fs, const struct raw *raw)
{
#define FLAG(field, long_name) fs->field = raw->field;
#define TEXT FLAG
#include "conf_local.def"
#undef FLAG
#undef TEXT
}

static int set_fs(struct fs_config *fs, const struct raw *raw)
{
	bool nfs_named = raw->server || raw->export_path;

	fs->type = raw->local_dir ? "local" : raw->null_fs ? "null" : "nfs";
	fs->readonly = raw->readonly;
	set_local(fs, raw);
	fs->cache = FS_CACHE_AUTO;
	fs->null_io = null_nfs_wanted();
	/* With no server named, the test mode of the environment needs none. */
	if (!strcmp(fs->type, "nfs") && fs->null_io && !nfs_named)
		fs->type = "null";
	return raw->cache ? conf_parse_cache(raw->cache, &fs->cache) : 0;
}

static int int_or(const struct opt_int *given, int otherwise)
{
	return given->given ? given->value : otherwise;
}

/* The device of the command line; in *d with text borrowed from *raw. */
static int set_device(struct conf_device *d, const struct raw *raw)
{
	d->tag = (char *)(raw->tag ? raw->tag : CONF_DEFAULT_TAG);
	d->transport = (char *)(raw->transport ? raw->transport : "vhost-user");
	d->num_request_queues = int_or(&raw->num_queues, CONF_DEFAULT_QUEUES);
	d->queue_size = int_or(&raw->queue_size, CONF_DEFAULT_QUEUE_SIZE);
	d->fs.dir = raw->local_dir;
	d->fs.server = raw->server ? raw->server : "localhost";
	d->fs.export_path = raw->export_path ? raw->export_path : "/VIRTUAL";
	d->fs.options = raw->fs_options;
	d->fs.wrap = raw->wrap;
	d->fs.state_dir = raw->state_dir;
	return set_fs(&d->fs, raw);
}

static int refuse_mask(const char *mask, int err)
{
	if (err == -E2BIG)
		DOCA_LOG_ERR("core mask '%s' has more than %d bits set", mask, CONF_MAX_CPUS);
	else
		DOCA_LOG_ERR("core mask '%s' is not a hexadecimal number with at least one bit set",
			     mask);
	return err;
}

static int set_cpus(struct conf *conf, const struct raw *raw)
{
	const char *mask = raw->core_mask;
	int n;

	/* One thread, where the kernel sees fit: others of this machine without a mask are not all on CPU 0. */
	conf->cpu[0] = CONF_ANY_CPU;
	conf->nr_cpus = 1;
	if (!mask)
		return 0;
	n = conf_parse_core_mask(mask, conf->cpu, CONF_MAX_CPUS);
	if (n < 0)
		return refuse_mask(mask, n);
	for (int i = 0; i < n; i++)
		if (conf->cpu[i] >= sysconf(_SC_NPROCESSORS_CONF)) {
			DOCA_LOG_ERR("core mask '%s' names CPU %d: this machine has CPUs 0 to %ld",
				     mask, conf->cpu[i], sysconf(_SC_NPROCESSORS_CONF) - 1);
			return -EINVAL;
		}
	conf->nr_cpus = (unsigned int)n;
	return 0;
}

static int pick_data_path(struct conf *conf, const struct raw *raw)
{
	bool direct = !raw->data_path || !strcmp(raw->data_path, "direct");

	conf->dma = !direct || !platform_has_direct_path();
	if (direct || !strcmp(raw->data_path, "dma"))
		return 0;
	DOCA_LOG_ERR("data path '%s' is unknown: use direct or dma", raw->data_path);
	return -EINVAL;
}

/* ---- what the process may do ---- */

static unsigned int serves_bit(const char *type, size_t len)
{
	static const struct {
		const char *type;
		unsigned int bit;
	} kinds[] = { { "local", CONF_SERVES_LOCAL }, { "nfs", CONF_SERVES_NFS },
		      { "null", CONF_SERVES_NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].type) == len && !memcmp(kinds[i].type, type, len))
			return kinds[i].bit;
	return 0;
}

static int add_may_serve(struct conf *conf, const char *list)
{
	for (size_t len; list && *list; list += len + !!list[len]) {
		unsigned int bit;

		len = strcspn(list, ",");
		bit = serves_bit(list, len);
		if (!bit) {
			DOCA_LOG_ERR("--may-serve: '%.*s' is unknown: use local, nfs or null",
				     (int)len, list);
			return -EINVAL;
		}
		conf->serves |= bit;
	}
	return 0;
}

static int set_confinement(struct conf *conf, const struct raw *raw)
{
	const char *bad;

	if (raw->seccomp && filter_parse(raw->seccomp, &conf->seccomp)) {
		DOCA_LOG_ERR("--seccomp: '%s' is unknown: use kill, trap, log or none",
			     raw->seccomp);
		return -EINVAL;
	}
	if (raw->modcaps && privileges_parse(raw->modcaps, &conf->modcaps, &bad)) {
		DOCA_LOG_ERR("--modcaps: '%.*s' is not a capability with + or - before it",
			     (int)strcspn(bad, ":,"), bad);
		return -EINVAL;
	}
	return add_may_serve(conf, raw->may_serve);
}

static unsigned int labels_bit(const struct conf_device *d)
{
	return d->fs.security_label ? CONF_SERVES_LABELS : 0;
}

/* What the devices are of, and what later ones get that say nothing, if somebody chose that. */
static void note_serves(struct conf *conf, const struct raw *raw)
{
	bool chosen = raw->local_dir || raw->null_fs || raw->server || raw->export_path;

	for (unsigned int i = 0; i < conf->nr_devices; i++) {
		const char *type = conf->device[i].fs.type;

		conf->serves |= serves_bit(type, strlen(type)) | labels_bit(&conf->device[i]);
	}
	if (chosen)
		conf->serves |= serves_bit(conf->defaults.fs.type, strlen(conf->defaults.fs.type));
	conf->serves |= labels_bit(&conf->defaults);
	if (conf->modcaps.add & 1ull << CAP_SYS_ADMIN)
		conf->serves |= CONF_SERVES_LABELS;
}

/* Capabilities and system calls that were given up do not come back. */
static int check_served(const struct conf *conf, const struct conf_device *d)
{
	const char *type = d->fs.type;

	if (!(conf->serves & serves_bit(type, strlen(type)))) {
		DOCA_LOG_ERR("%s: this process gave up what file systems of type %s need: "
			     "start it with --may-serve=%s", d->tag, type, type);
		return -EPERM;
	}
	if (labels_bit(d) & ~conf->serves) {
		DOCA_LOG_ERR("%s: this process gave up what security labels need: start it with "
			     "--security-label or --modcaps=+sys_admin", d->tag);
		return -EPERM;
	}
	return 0;
}

static int set_devices(struct conf *conf, const struct raw *raw)
{
	struct conf_device first = { 0 };
	int rc = check_conflicts(raw);

	if (!rc)
		rc = set_device(&first, raw);
	if (!rc)
		rc = conf_copy_device(&conf->defaults, &first);
	if (rc)
		return rc;
	if (raw->config)
		return conf_load_json(conf, raw->config, &first);
	conf->nr_devices = 1;
	rc = conf_copy_device(&conf->device[0], &first);
	return rc ? rc : conf_set_text((const char **)&conf->device[0].socket, raw->socket);
}

/* Names of those that have none, as the slot is numbered. */
static int name_devices(struct conf *conf)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < conf->nr_devices; i++) {
		char name[32];

		snprintf(name, sizeof(name), "vfsdev%u", i);
		if (!conf->device[i].name)
			rc = conf_set_text((const char **)&conf->device[i].name, name);
	}
	return rc;
}

static int check_names(const struct conf *conf)
{
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		for (unsigned int j = 0; j < i; j++) {
			const char *a = conf->device[i].name, *b = conf->device[j].name;

			if (!a || !b || strcmp(a, b))
				continue;
			DOCA_LOG_ERR("two devices have the name %s", a);
			return -EEXIST;
		}
	return 0;
}

/* What the file system has to know beside what was said of it. */
static void tell_fs(const struct conf *conf, struct conf_device *d)
{
	/* Only NFS has the test mode. */
	d->fs.null_io = d->fs.null_io && !strcmp(d->fs.type, "nfs");
	d->fs.queue_size = (unsigned int)d->queue_size;
	d->fs.sharers = conf->nr_devices;
	d->fs.bounced = conf->dma;
}

static int check_devices(struct conf *conf)
{
	for (unsigned int i = 0; i < conf->nr_devices; i++) {
		struct conf_device *d = &conf->device[i];
		int rc = check_device(d);

		if (rc)
			return rc;
		tell_fs(conf, d);
	}
	return check_sockets(conf);
}

/* ---- devices that come later ---- */

struct conf_device *conf_find_device(struct conf *conf, const char *name)
{
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		if (conf->device[i].name && !strcmp(conf->device[i].name, name))
			return &conf->device[i];
	return NULL;
}

static int check_late_device(struct conf *conf, struct conf_device *d)
{
	int rc = check_device(d);

	if (rc)
		return rc;
	if (!d->name || !d->name[0]) {
		DOCA_LOG_ERR("the device needs a name");
		return -EINVAL;
	}
	if (d->socket) {
		DOCA_LOG_ERR("%s: \"socket\" is the function's, as the board says", d->name);
		return -EINVAL;
	}
	tell_fs(conf, d);
	rc = check_served(conf, d);
	return rc ? rc : check_names(conf);
}

int conf_change_device(struct conf *conf, struct conf_device *d, struct json_object *keys)
{
	struct conf_device old = *d, changed = { 0 };
	int rc = conf_copy_device(&changed, &old);

	if (!rc)
		rc = conf_set_keys(&changed, keys);
	*d = changed; /* in its place among the others, to be compared with them */
	if (!rc)
		rc = check_late_device(conf, d);
	if (rc) {
		conf_free_device(&changed);
		*d = old;
		return rc;
	}
	d->socket = old.socket;
	old.socket = NULL;
	conf_free_device(&old);
	return 0;
}

int conf_add_device(struct conf *conf, struct json_object *keys, struct conf_device **ret_dev)
{
	struct conf_device *d = NULL, first = conf->defaults;
	int rc;

	for (unsigned int i = 0; i < CONF_MAX_DEVICES && !d; i++)
		if (!conf->device[i].name)
			d = &conf->device[i];
	if (!d) {
		DOCA_LOG_ERR("there are %d devices already", CONF_MAX_DEVICES);
		return -ENOSPC;
	}
	rc = conf_copy_device(d, &first);
	if (!rc)
		rc = conf_set_keys(d, keys);
	if (!rc)
		rc = check_late_device(conf, d);
	if (rc)
		conf_free_device(d);
	else
		*ret_dev = d;
	return rc;
}

void conf_remove_device(struct conf_device *d)
{
	conf_free_device(d);
}

int conf_load(struct conf *conf, int argc, char **argv)
{
	struct raw raw = { 0 };
	int rc = parse_options(&raw, argc, argv);

	if (!rc)
		rc = set_cpus(conf, &raw);
	if (!rc)
		rc = pick_data_path(conf, &raw);
	if (!rc)
		rc = conf_set_text((const char **)&conf->run, raw.run);
	if (!rc)
		rc = conf_set_text((const char **)&conf->rpc_socket, raw.rpc_socket);
	if (!rc)
		rc = conf_set_text((const char **)&conf->qmp, raw.qmp);
	if (!rc)
		rc = set_confinement(conf, &raw);
	if (!rc)
		rc = set_devices(conf, &raw);
	if (!rc)
		note_serves(conf, &raw);
	if (!rc)
		rc = check_devices(conf);
	if (!rc)
		rc = name_devices(conf);
	if (!rc)
		rc = check_names(conf);
	raw_free(&raw);
	return rc;
}

void conf_fini(struct conf *conf)
{
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		conf_free_device(&conf->device[i]);
	conf_free_device(&conf->defaults);
	free(conf->run);
	free(conf->rpc_socket);
	free(conf->qmp);
	memset(conf, 0, sizeof(*conf));
}
