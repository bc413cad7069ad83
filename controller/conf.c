/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "conf_internal.h"
#include "doca_argp.h"
#include "doca_log.h"
#include "doca_types.h"
#include "doca_devemu_vfs.h"

DOCA_LOG_REGISTER(VIRTIOFS::CONF);

#define NULL_NFS_ENV "DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV"
#define MAX_REQUEST_QUEUES 254

/* Options as given; zero or NULL where not. */
struct raw {
#define FIELD_STRING char *
#define FIELD_INT int
#define FIELD_BOOLEAN bool
#define OPTION(field, kind, short_name, long_name, arg, text) FIELD_##kind field;
#include "conf_options.def"
#undef OPTION
};

#define STORE_STRING(field) raw->field = strdup(value)
#define STORE_INT(field) raw->field = *(int *)value
#define STORE_BOOLEAN(field) raw->field = *(bool *)value
#define OPTION(field, kind, short_name, long_name, arg, text) \
	static doca_error_t set_##field(void *value, void *config) \
	{ \
		struct raw *raw = config; \
\
		STORE_##kind(field); \
		return DOCA_SUCCESS; \
	}
#include "conf_options.def"
#undef OPTION

static const struct option_def {
	const char *short_name, *long_name, *argument, *text;
	enum doca_argp_type type;
	doca_argp_param_cb_t set;
} option_def[] = {
#define OPTION(field, kind, short_name, long_name, arg, text) \
	{ short_name, long_name, arg, text, DOCA_ARGP_TYPE_##kind, set_##field },
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
#define FREE_STRING(field) free(raw->field)
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
				return -EINVAL;
			cpu[n++] = (int)(i * 4) + bit;
		}
	}
	return n ? n : -EINVAL;
}

int conf_parse_cache(const char *text, enum fs_cache_mode *ret_mode)
{
	static const char *const mode[] = { [FS_CACHE_NONE] = "none", [FS_CACHE_AUTO] = "auto",
					    [FS_CACHE_ALWAYS] = "always" };

	for (size_t i = 0; i < ARRAY_SIZE(mode); i++)
		if (!strcmp(text, mode[i])) {
			*ret_mode = (enum fs_cache_mode)i;
			return 0;
		}
	DOCA_LOG_ERR("cache mode '%s' is unknown: use none, auto or always", text);
	return -EINVAL;
}

int conf_check_device(const struct conf_device *d)
{
	size_t len = strlen(d->tag);

	if (!len || len >= DOCA_VFS_TAG_SIZE) {
		DOCA_LOG_ERR("tag '%s' has %zu bytes: use 1 to %d", d->tag, len,
			     DOCA_VFS_TAG_SIZE - 1);
		return -EINVAL;
	}
	if (d->num_request_queues < 1 || d->num_request_queues > MAX_REQUEST_QUEUES) {
		DOCA_LOG_ERR("%s: %u request queues: use 1 to %d", d->tag, d->num_request_queues,
			     MAX_REQUEST_QUEUES);
		return -EINVAL;
	}
	if (!is_pow2(d->queue_size) || d->queue_size > 1024) {
		DOCA_LOG_ERR("%s: queue size %u: use a power of two up to 1024", d->tag,
			     d->queue_size);
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

static char *copy_or(const char *text, const char *otherwise)
{
	if (!text)
		text = otherwise;
	return text ? strdup(text) : NULL;
}

static int set_fs(struct fs_config *fs, const struct raw *raw)
{
	bool nfs_named = raw->server || raw->export_path;

	if (!!raw->local_dir + raw->null_fs + nfs_named > 1) {
		DOCA_LOG_ERR("--local, --null and --nfs-server/--nfs-export exclude each other");
		return -EINVAL;
	}
	fs->type = raw->local_dir ? "local" : raw->null_fs ? "null" : "nfs";
	/* With no server named, the test mode of the environment needs none. */
	if (!strcmp(fs->type, "nfs") && null_nfs_wanted()) {
		fs->null_io = nfs_named;
		fs->type = nfs_named ? "nfs" : "null";
	}
	fs->dir = copy_or(raw->local_dir, NULL);
	fs->server = copy_or(raw->server, "localhost");
	fs->export_path = copy_or(raw->export_path, "/VIRTUAL");
	fs->options = copy_or(raw->fs_options, NULL);
	fs->readonly = raw->readonly;
	fs->cache = FS_CACHE_AUTO;
	return raw->cache ? conf_parse_cache(raw->cache, &fs->cache) : 0;
}

/* INT options are int: out-of-range ones must not wrap into range. */
static uint16_t clamp_u16(int value, uint16_t otherwise)
{
	return value == 0 ? otherwise : value < 0 || value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

static int set_device(struct conf_device *d, const struct raw *raw)
{
	d->tag = copy_or(raw->tag, CONF_DEFAULT_TAG);
	d->transport = strdup("vhost-user");
	d->socket = copy_or(raw->socket, NULL);
	d->num_request_queues = clamp_u16(raw->num_queues, CONF_DEFAULT_QUEUES);
	d->queue_size = clamp_u16(raw->queue_size, CONF_DEFAULT_QUEUE_SIZE);
	return set_fs(&d->fs, raw);
}

static int set_cpus(struct conf *conf, const struct raw *raw)
{
	const char *mask = raw->core_mask ? raw->core_mask : "0x1";
	int n = conf_parse_core_mask(mask, conf->cpu, CONF_MAX_CPUS);

	if (n < 0) {
		DOCA_LOG_ERR("core mask '%s' is not a hexadecimal number with at least one bit set",
			     mask);
		return n;
	}
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
	conf->dma = raw->data_path && !strcmp(raw->data_path, "dma");
	if (!raw->data_path || conf->dma || !strcmp(raw->data_path, "direct"))
		return 0;
	DOCA_LOG_ERR("data path '%s' is unknown: use direct or dma", raw->data_path);
	return -EINVAL;
}

static void device_conf_free(struct conf_device *d)
{
	free(d->tag);
	free(d->transport);
	free(d->socket);
	free((char *)d->fs.dir);
	free((char *)d->fs.server);
	free((char *)d->fs.export_path);
	free((char *)d->fs.options);
}

static int set_devices(struct conf *conf, const struct raw *raw)
{
	struct conf_device *first = &conf->device[0];
	int rc = set_device(first, raw);

	if (!rc && raw->config) {
		struct conf_device defaults = *first;

		memset(first, 0, sizeof(*first));
		rc = conf_load_json(conf, raw->config, &defaults);
		device_conf_free(&defaults);
	} else {
		conf->nr_devices = 1;
	}
	for (unsigned int i = 0; !rc && i < conf->nr_devices; i++)
		rc = conf_check_device(&conf->device[i]);
	return rc;
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
		rc = set_devices(conf, &raw);
	conf->run = copy_or(raw.run, NULL);
	raw_free(&raw);
	return rc;
}

void conf_fini(struct conf *conf)
{
	for (unsigned int i = 0; i < conf->nr_devices; i++)
		device_conf_free(&conf->device[i]);
	free(conf->run);
	memset(conf, 0, sizeof(*conf));
}
